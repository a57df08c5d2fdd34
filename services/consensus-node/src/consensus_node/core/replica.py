"""The replica: one pure function from what happened to what is to be done (`docs/protocol.md`, PoA-S).

`step` reads no clock, draws no lots, waits for nothing. The same inputs give the same effects everywhere.
"""

from typing import assert_never

from msgspec import Struct

from consensus_node.core.authority import Sign
from consensus_node.core.commit import (
    commit_finalized,
    commit_learned,
    learn,
    publish_due,
    take_executed,
)
from consensus_node.core.config import ReplicaConfig
from consensus_node.core.effects import Effect, Wake
from consensus_node.core.inputs import BatchStored, CommittedLearned, Executed, Input, Received, Start, Tick
from consensus_node.core.intake import take_proposal
from consensus_node.core.messages import Certs, Message, Proposal, Request, Status, Votes
from consensus_node.core.propose import try_propose
from consensus_node.core.recovery import restore
from consensus_node.core.resend import fetch_due, resend_due, take_request, take_status
from consensus_node.core.state import State
from consensus_node.core.views import enter_view, leader_gave_up, next_wake, run_timers, vote_on_proposal
from consensus_node.core.voting import finalize, take_certificate, take_vote
from sps import signing
from sps.chain.batch import Verify

RULES = (
    commit_finalized,
    commit_learned,
    enter_view,
    finalize,
    try_propose,
    vote_on_proposal,
    leader_gave_up,
    run_timers,
)
"""Applied in this order until none changes anything."""


class Standing(Struct, frozen=True):
    """Where a replica stands, for metrics and status pages."""

    view: int
    height: int
    block_id: bytes
    exec_height: int
    known_height: int
    timeouts: int
    halted: bool


class Replica:
    """One seat of the committee. Give it `Start` first, once."""

    def __init__(self, config: ReplicaConfig, sign: Sign, verify: Verify = signing.verify) -> None:
        self._state = State(config, sign, verify)
        self._wake: int | None = None

    def step(self, event: Input) -> tuple[Effect, ...]:
        """Take one input; return what is to be done, in this order."""
        state = self._state
        if state.halted:
            return ()
        state.now_ms = max(state.now_ms, event.now_ms)
        self._take(event)
        self._settle()
        wake = self._next_wake()
        if wake != self._wake:
            self._wake = wake
            state.out.effect(Wake(wake))
        return state.out.flush()

    @property
    def standing(self) -> Standing:
        state = self._state
        tip = state.tree.tip
        return Standing(
            state.view,
            tip.height,
            tip.id,
            max(state.results.height, 0),
            state.known_height,
            state.timeouts,
            state.halted,
        )

    def _next_wake(self) -> int | None:
        return None if self._state.halted else next_wake(self._state)

    def _take(self, event: Input) -> None:
        state = self._state
        match event:
            case Start():
                restore(state, event)
            case Received(message=message):
                self._receive(message)
            case BatchStored(ref=ref, prev_digest=prev_digest):
                state.batches.add(ref, prev_digest)
            case Executed():
                take_executed(state, event)
            case CommittedLearned(committed=committed):
                learn(state, committed)
            case Tick():
                pass
            case _:
                assert_never(event)

    def _receive(self, message: Message) -> None:
        state = self._state
        match message:
            case Proposal():
                take_proposal(state, message)
            case Votes(votes=votes):
                for vote in votes:
                    take_vote(state, vote)
            case Certs(certificates=certificates):
                for certificate in certificates:
                    take_certificate(state, certificate)
            case Status():
                take_status(state, message)
            case Request():
                take_request(state, message)
            case _:
                assert_never(message)

    def _settle(self) -> None:
        """Apply the rules until nothing follows any more; each one moves a view, a vote or a height."""
        state = self._state
        while not state.halted and any(rule(state) for rule in RULES):
            pass
        if not state.halted:
            resend_due(state)
            fetch_due(state)
            publish_due(state)
