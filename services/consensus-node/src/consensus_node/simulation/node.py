"""One node: a replica and the simplest shell that can be: a log, a block store, a batch store, an executor.

Effects are executed one by one; a crash may fall between any two. What was not synced is lost (a random
prefix of it may survive, as with a real disk). Stores are durable at once, the executor forgets everything.
"""

import random
from collections.abc import Callable
from typing import Protocol

from consensus_node.core import wire
from consensus_node.core.config import HEADERS_KEPT_MAX, ReplicaConfig
from consensus_node.core.durable import Record, VoteCast, decode_record, encode_record, view_of
from consensus_node.core.effects import (
    Deliver,
    Effect,
    Forget,
    Persist,
    Publish,
    PublishCommitted,
    RequestBatches,
    RequestCommitted,
    Wake,
)
from consensus_node.core.inputs import (
    BatchStored,
    CommittedLearned,
    Cursor,
    Executed,
    Input,
    Received,
    Start,
    Tick,
)
from consensus_node.core.messages import Message, Votes
from consensus_node.core.replica import Replica
from consensus_node.simulation.checks import Breach, Checker
from consensus_node.simulation.execution import GENESIS_OUTCOME, Executor, Outcome
from consensus_node.simulation.signatures import fake_signer, fake_verify
from sps.chain.block import Committed
from sps.chain.header import BatchRef
from sps.chain.vote import Vote


class Surroundings(Protocol):
    """What a node needs of the world around it."""

    def broadcast(self, sender: int, raw: bytes) -> None: ...
    def broadcast_committed(self, sender: int, committed: Committed) -> None: ...
    def fetch_batches(self, node: int, refs: tuple[BatchRef, ...]) -> None: ...
    def fetch_committed(self, node: int, first: int, last: int) -> None: ...
    def later(self, delay_ms: float, action: Callable[[], None]) -> None: ...
    def trace(self, node: int, what: object) -> None: ...

    @property
    def now_ms(self) -> int: ...


class Node:
    """A node that can crash and come back."""

    def __init__(
        self,
        config: ReplicaConfig,
        world: Surroundings,
        checker: Checker,
        executor: Executor,
        dice: random.Random,
        skew_ms: int,
        execution_ms: int,
    ) -> None:
        self.index = config.index
        self._config = config
        self._world = world
        self._checker = checker
        self._executor = executor
        self._dice = dice
        self._skew_ms = skew_ms
        self._execution_ms = execution_ms
        self._synced: list[tuple[int, bytes, Record]] = []
        self._unsynced: list[tuple[int, bytes, Record]] = []
        self._votes: set[Vote] = set()
        self.blocks: list[Committed] = []
        self.outcomes: list[Outcome] = [GENESIS_OUTCOME]
        self.batches: dict[bytes, tuple[BatchRef, bytes]] = {}
        self._replica: Replica | None = None
        self._life = 0
        self._wake: int | None = None
        self._executed = 0
        self._executing = False
        self.crash_in: int | None = None
        """Effects left until the next crash."""
        self.restart_ms: float = 0

    @property
    def up(self) -> bool:
        return self._replica is not None

    @property
    def height(self) -> int:
        return len(self.blocks)

    @property
    def replica(self) -> Replica | None:
        return self._replica

    def start(self) -> None:
        """Come up from what is durable, unless it is up."""
        if self._replica is not None:
            return
        self._life += 1
        self._wake = None
        self._executing = False
        self._replica = self._new_replica()
        records = tuple(decode_record(kind, payload) for kind, payload, _ in self._synced)
        headers = tuple(committed.header for committed in self.blocks[-HEADERS_KEPT_MAX:])
        cursors = {ref.producer_id: ref for committed in self.blocks for ref in committed.refs}
        self.step(
            Start(
                self._now(),
                records,
                headers,
                tuple(Cursor(ref.producer_id, ref.seq, ref.digest) for ref in cursors.values()),
            )
        )
        carried = self.blocks[-1].header.exec_height if self.blocks else 0
        first = min(carried, len(self.outcomes) - 1)
        self._executed = len(self.outcomes) - 1
        for height in range(first, len(self.outcomes)):
            self._report(height)
        self._execute_on()
        for ref, prev_digest in list(self.batches.values()):
            self.step(BatchStored(self._now(), ref, prev_digest))

    def step(self, event: Input) -> None:
        """One input; its effects, one by one, with crashes between."""
        if self._replica is None:
            return
        life = self._life
        self._world.trace(self.index, event)
        for effect in self._replica.step(event):
            if self._dies():
                return
            self._world.trace(self.index, effect)
            self._checker.effect(self.index, effect)
            self._do(effect)
            if self._life != life:
                return

    def store_batch(self, ref: BatchRef, prev_digest: bytes) -> None:
        """A batch arrived from the topic or a peer."""
        if self._replica is not None:
            self.batches[ref.digest] = (ref, prev_digest)
            self.step(BatchStored(self._now(), ref, prev_digest))

    def receive(self, message: Message) -> None:
        """A record of the consensus topic arrived."""
        self.step(Received(self._now(), message))

    def learn(self, committed: Committed) -> None:
        """A committed block arrived from the blocks topic or a peer."""
        self.step(CommittedLearned(self._now(), committed))

    def _new_replica(self) -> Replica:
        key = self._config.committee.validators[self.index].public_key
        return Replica(self._config, fake_signer(key), fake_verify)

    def _now(self) -> int:
        return self._world.now_ms + self._skew_ms

    def _dies(self) -> bool:
        if self.crash_in is None:
            return False
        self.crash_in -= 1
        if self.crash_in > 0:
            return False
        self.crash()
        return True

    def crash(self) -> None:
        """Lose everything that is not durable; come back later."""
        self._world.trace(self.index, "crash")
        self.crash_in = None
        survived = self._dice.randrange(len(self._unsynced) + 1)
        self._synced += self._unsynced[:survived]
        self._unsynced = []
        self._replica = None
        self._life += 1
        self._world.later(self.restart_ms, self.start)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Persist(records=records, sync=sync):
                self._persist(records, sync=sync)
            case Publish(message=message):
                if isinstance(message, Votes) and not self._votes.issuperset(message.votes):
                    raise Breach(f"node {self.index} publishes a vote that is not durable")
                self._world.broadcast(self.index, wire.encode_message(message))
            case Deliver(committed=committed):
                self._deliver(committed)
            case PublishCommitted(committed=committed):
                self._world.broadcast_committed(self.index, committed)
            case Wake(at_ms=at_ms):
                self._set_wake(at_ms)
            case RequestBatches(refs=refs):
                self._world.fetch_batches(self.index, refs)
            case RequestCommitted(from_height=first, to_height=last):
                self._world.fetch_committed(self.index, first, last)
            case Forget(below_view=below):
                self._synced = [r for r in self._synced if (v := view_of(r[2])) is None or v >= below]
            case _:
                pass

    def _persist(self, records: tuple[Record, ...], *, sync: bool) -> None:
        self._unsynced += [(*encode_record(record), record) for record in records]
        if sync:
            self._votes.update(r.vote for _, _, r in self._unsynced if isinstance(r, VoteCast))
            self._synced += self._unsynced
            self._unsynced = []

    def _set_wake(self, at_ms: int | None) -> None:
        self._wake = at_ms
        if at_ms is not None:
            life = self._life
            self._world.later(max(0, at_ms - self._now()), lambda: self._tick(life, at_ms))

    def _tick(self, life: int, at_ms: int) -> None:
        if self._life == life and self._wake == at_ms:
            self.step(Tick(self._now()))

    def _deliver(self, committed: Committed) -> None:
        self._checker.deliver(self.index, committed, self.height)
        self.blocks.append(committed)
        self._execute_on()

    def _execute_on(self) -> None:
        if not self._executing and self._executed < self.height:
            self._executing = True
            life = self._life
            self._world.later(self._dice.random() * self._execution_ms, lambda: self._finish(life))

    def _finish(self, life: int) -> None:
        if self._life != life:
            return
        self._executing = False
        self._executed += 1
        if len(self.outcomes) == self._executed:
            header = self.blocks[self._executed - 1].header
            self.outcomes.append(self._executor.execute(self.outcomes[-1], header))
        self._report(self._executed)
        if self._life == life:
            self._execute_on()

    def _report(self, height: int) -> None:
        outcome = self.outcomes[height]
        self.step(
            Executed(
                self._now(),
                height,
                outcome.app_hash,
                outcome.results_root,
                outcome.changed,
                outcome.deadlines[0] if outcome.deadlines else None,
            )
        )
