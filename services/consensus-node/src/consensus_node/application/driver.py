"""Drives the pure replica: takes inputs in groups, steps them, carries their effects out in order.

All `Persist` of a group are written and synced with one sync before any other effect of the group is carried
out; so nothing is said that a crash could make unsaid. Effects never wait for the network.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final, assert_never

from consensus_node.application.executor import Executor
from consensus_node.application.fetching import Fetcher
from consensus_node.application.identity import Identity
from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.application.ports import BlockKeeper, RecordLog, Voice
from consensus_node.core.durable import Finalized, VoteCast
from consensus_node.core.effects import (
    Deliver,
    Effect,
    Evidence,
    Fault,
    Forget,
    Halt,
    InvalidProposal,
    Persist,
    Publish,
    PublishCommitted,
    RequestBatches,
    RequestCommitted,
    Wake,
)
from consensus_node.core.inputs import Tick
from consensus_node.core.messages import Proposal, Votes
from consensus_node.core.replica import Replica
from consensus_node.metrics import NodeMetrics
from sps.chain.vote import VoteKind
from sps.runtime.errors import Defect
from sps.runtime.logs import get_logger
from sps.runtime.probe import Probe

_MS_PER_S: Final = 1_000
_TICK_AGAIN_S: Final = 0.001
SETTLE_S: Final = 0.1
"""Blocks that are delivered within this time share a sync; until then the votes in the log stand for them."""


class Driver:
    """One replica and what it acts on."""

    def __init__(
        self,
        name: str,
        replica: Replica,
        inbox: Inbox,
        clock: SteadyClock,
        wal: RecordLog,
        blocks: BlockKeeper,
        voice: Voice,
        intake: Intake,
        executor: Executor,
        fetcher: Fetcher,
        identity: Identity,
        metrics: NodeMetrics,
        probe: Probe,
    ) -> None:
        self._log = get_logger(name)
        self._replica = replica
        self._inbox = inbox
        self._clock = clock
        self._wal = wal
        self._blocks = blocks
        self._voice = voice
        self._intake = intake
        self._executor = executor
        self._fetcher = fetcher
        self._identity = identity
        self._metrics = metrics
        self._probe = probe
        self._timer: asyncio.TimerHandle | None = None
        self._settling = asyncio.Event()
        self._forget_below = 0
        self.final_view = 0

    async def drive(self) -> None:
        """Run for ever; ends with a defect when the replica halts or the disk fails."""
        try:
            while True:
                group = await self._inbox.take()
                self._metrics.inbox.set(len(self._inbox))
                effects = [effect for item in group for effect in self._replica.step(item)]
                await self._persist([effect for effect in effects if isinstance(effect, Persist)])
                for effect in effects:
                    self._carry_out(effect)
                    self._probe(f"node.{type(effect).__name__}")
        finally:
            self._set_timer(None)

    async def settle(self) -> None:
        """Beside `drive`: make delivered blocks durable, then let the log forget what they replace."""
        while True:
            await self._settling.wait()
            await asyncio.sleep(SETTLE_S)
            self._settling.clear()
            await self._blocks.sync()
            below, self._forget_below = self._forget_below, 0
            if below:
                self._identity.forget(below)
                await self._wal.forget(below)

    async def _persist(self, persists: Sequence[Persist]) -> None:
        records = [record for persist in persists for record in persist.records]
        if not records:
            return
        began = time.perf_counter()
        await self._wal.append(records, sync=any(persist.sync for persist in persists))
        self._metrics.wal_sync.observe(time.perf_counter() - began)
        for record in records:
            if isinstance(record, VoteCast):
                self._identity.given(record.vote)
            elif isinstance(record, Finalized):
                self.final_view = record.view

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Persist():
                return
            case Publish(message=message):
                self._count(message)
                self._voice.say(message)
            case PublishCommitted(committed=committed):
                self._voice.announce(committed)
            case Deliver():
                self._deliver(effect)
            case Wake(at_ms=at_ms):
                self._set_timer(at_ms)
            case Forget(below_view=below_view):
                self._forget_below = max(self._forget_below, below_view)
                self._settling.set()
            case RequestBatches() | RequestCommitted():
                self._request(effect)
            case Evidence() | InvalidProposal() | Fault() | Halt():
                self._report(effect)
            case _:
                assert_never(effect)

    def _request(self, effect: RequestBatches | RequestCommitted) -> None:
        if isinstance(effect, RequestCommitted):
            self._fetcher.want_blocks(effect.to_height)
        else:
            self._intake.want(effect.refs)
            self._fetcher.want_batches()

    def _deliver(self, effect: Deliver) -> None:
        header = effect.committed.header
        if header.height <= self._blocks.height:
            return  # delivered again after a restart: it stands in the store already
        self._blocks.append(effect.committed)
        self._intake.ordered(effect.committed.refs)
        self._executor.wake()
        self._fetcher.grown()
        self._settling.set()
        self._metrics.final_height.set(header.height)
        self._metrics.final_time.set(header.time_ms / _MS_PER_S)
        self._metrics.finality.observe(max(0, self._clock.now_ms() - header.time_ms) / _MS_PER_S)

    def _count(self, message: object) -> None:
        if isinstance(message, Proposal):
            self._metrics.proposals.inc()
            self._metrics.view.set(message.header.view)
        elif isinstance(message, Votes):
            for vote in message.votes:
                self._metrics.votes.labels(vote.kind.name.lower()).inc()
                self._metrics.view.set(vote.view)
                if vote.kind is VoteKind.NULLIFY:
                    self._metrics.timeouts.inc()

    def _report(self, effect: Evidence | InvalidProposal | Fault | Halt) -> None:
        if isinstance(effect, Halt):
            self._metrics.halted.set(1)
            raise Defect(f"the replica refuses to go on at height {effect.height}: {effect.reason}")
        if isinstance(effect, Fault):
            self._metrics.faults.labels(str(effect.validator)).inc()
            self._log.warning("consensus.fault", validator=effect.validator, reason=effect.reason)
        elif isinstance(effect, Evidence):
            self._metrics.evidence.labels(effect.kind).inc()
            self._log.error("consensus.evidence", kind=effect.kind, validator=effect.first.validator)
        else:
            header = effect.proposal.header
            self._metrics.evidence.labels("E5").inc()
            self._log.error("consensus.invalid_proposal", validator=header.proposer, reason=effect.reason)

    def _set_timer(self, at_ms: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at_ms is not None:
            delay_s = max(0, at_ms - self._clock.now_ms()) / _MS_PER_S
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick, at_ms)

    def _tick(self, at_ms: int) -> None:
        """The two clocks may differ by a hair: a tick that came too early waits again."""
        now_ms = self._clock.now_ms()
        if now_ms < at_ms:
            self._timer = asyncio.get_running_loop().call_later(_TICK_AGAIN_S, self._tick, at_ms)
        else:
            self._timer = None
            self._inbox.put(Tick(now_ms))
