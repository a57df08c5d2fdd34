"""The world around the nodes: time, network, producers, faults. Everything follows from the plan's seed."""

import hashlib
import heapq
import itertools
import random
from collections.abc import Callable
from functools import partial

from consensus_node.core import wire
from consensus_node.core.config import ReplicaConfig
from consensus_node.simulation.checks import Breach, Checker
from consensus_node.simulation.execution import Executor
from consensus_node.simulation.node import Node
from consensus_node.simulation.plan import QUIET_MS, SETTLE_MS, Plan
from sps.chain.batch import FIRST_PREV_DIGEST
from sps.chain.block import Committed
from sps.chain.committee import Committee, Validator, first_seed, leader_order
from sps.chain.genesis import Parameters
from sps.chain.header import BatchRef

CHAIN_ID = hashlib.sha256(b"simulation").digest()
STABLE_DELAY_MS = 2.0
RESUBMIT_MS = 150
EPOCH_MS = 1_700_000_000_000
EVENTS_MAX = 400_000
"""A run that needs more is a live-lock, not a schedule."""

Trace = Callable[[int, int, object], None]


def committee_of(size: int) -> Committee:
    """Equal seats with made-up keys."""
    keys = (hashlib.sha256(f"key {i}".encode()).digest() for i in range(size))
    return Committee(1, tuple(Validator(i, f"validator-{i}", key, 1) for i, key in enumerate(keys)))


def config_of(plan: Plan, index: int) -> ReplicaConfig:
    """The configuration of one seat in this run."""
    return ReplicaConfig(
        chain_id=CHAIN_ID,
        committee=committee_of(plan.size),
        order=leader_order(first_seed(CHAIN_ID), plan.size),
        index=index,
        parameters=Parameters(
            min_block_interval_ms=5,
            heartbeat_ms=plan.heartbeat_ms,
            t_lead_ms=plan.t_lead_ms,
            t_view_ms=plan.t_view_ms,
            t_resend_ms=2 * plan.t_lead_ms,
            t_cap_ms=plan.t_cap_ms,
        ),
        genesis_time_ms=EPOCH_MS - 1_000,
    )


class World:
    """One run."""

    def __init__(self, plan: Plan, trace: Trace | None = None, node_class: type[Node] = Node) -> None:
        self.plan = plan
        self._trace = trace
        self.dice = random.Random(plan.seed + 1)  # noqa: S311 a simulation must be repeatable, not secret
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._time = 0.0
        self._group = [0] * plan.size
        self.sent = 0
        self.events = 0
        self.checker = Checker(config_of(plan, 0))
        self.refs: list[tuple[BatchRef, bytes]] = []
        self._tips: dict[int, tuple[int, bytes]] = {}
        executor = Executor()
        self.nodes = [
            node_class(
                config_of(plan, i),
                self,
                self.checker,
                executor,
                self.dice,
                self.dice.randint(-plan.skew_ms, plan.skew_ms),
                plan.execution_ms,
            )
            for i in range(plan.size)
        ]

    @property
    def now_ms(self) -> int:
        return EPOCH_MS + int(self._time)

    @property
    def stable(self) -> bool:
        return self._time >= self.plan.stable_ms

    def run(self) -> None:
        """Faults, then recovery within the bound, then silence. Raises `Breach`."""
        self._prepare()
        self._run_until(self.plan.stable_ms)
        before = self.checker.height
        self._submit_everywhere()
        self._run_until(self.plan.deadline_ms, self._recovered(before))
        if not self._recovered(before)():
            raise Breach(self._where_it_stands(before))
        self.run_on(SETTLE_MS)
        sent = self.sent
        self.run_on(QUIET_MS)
        if self.sent != sent:
            raise Breach(f"{self.sent - sent} records on an idle chain")

    def run_on(self, duration_ms: float) -> None:
        """Let more time pass."""
        self._run_until(self._time + duration_ms)

    def later(self, delay_ms: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self._time + delay_ms, next(self._count), action))

    def trace(self, node: int, what: object) -> None:
        if self._trace is not None:
            self._trace(int(self._time), node, what)

    def broadcast(self, sender: int, raw: bytes) -> None:
        """A record on the consensus topic: to all, also back to its sender."""
        self.sent += 1
        message = wire.decode_message(raw)
        if wire.encode_message(message) != raw:
            raise Breach("a message does not re-encode to its bytes")
        for node in self.nodes:
            self._send(sender, node, partial(node.receive, message))

    def broadcast_committed(self, sender: int, committed: Committed) -> None:
        """A record on the blocks topic."""
        self.sent += 1
        for node in self.nodes:
            self._send_committed(sender, node, committed)

    def fetch_batches(self, node: int, refs: tuple[BatchRef, ...]) -> None:
        """Over HTTP from any peer that has them and can be reached."""
        asking = self.nodes[node]
        for ref in refs:
            for peer in self.nodes:
                if peer.up and ref.digest in peer.batches:
                    found = peer.batches[ref.digest]
                    self._send(peer.index, asking, partial(asking.store_batch, *found))
                    break

    def fetch_committed(self, node: int, first: int, last: int) -> None:
        """Over HTTP from a peer that has them and can be reached."""
        asking = self.nodes[node]
        peers = [p for p in self.nodes if p.up and p.height >= first and p.index != node]
        if not peers:
            return
        peer = self.dice.choice(peers)
        for committed in peer.blocks[first - 1 : last]:
            self._send_committed(peer.index, asking, committed)

    def submit(self, producer: int) -> None:
        """A producer seals its next batch and repeats it until it is ordered."""
        seq, previous = self._tips.get(producer, (0, FIRST_PREV_DIGEST))
        digest = hashlib.sha256(b"batch" + bytes((producer,)) + seq.to_bytes(8, "big")).digest()
        ref = BatchRef(producer, seq + 1, digest, digest, 1, 100)
        self._tips[producer] = (seq + 1, digest)
        self.refs.append((ref, previous))
        self._append(ref, previous)

    def _prepare(self) -> None:
        plan, dice = self.plan, self.dice
        for node in self.nodes:
            node.restart_ms = dice.random() * plan.stable_ms / 2
            self.later(dice.random() * 20, node.start)
        for _ in range(plan.crashes):
            victim = dice.choice(self.nodes)
            when, effects = dice.random() * plan.stable_ms, dice.randrange(1, 12)
            self.later(when, partial(self._plan_crash, victim, effects))
        for _ in range(plan.batches):
            producer = dice.randrange(1, plan.producers + 1)
            self.later(dice.random() * plan.stable_ms * 0.8, partial(self.submit, producer))
        if plan.partition_every_ms:
            self._partition()

    def _plan_crash(self, victim: Node, effects: int) -> None:
        if victim.up and not self.stable:
            victim.crash_in = effects

    def _partition(self) -> None:
        if self.stable:
            self._group = [0] * self.plan.size
            return
        groups = self.dice.choice((1, 2, 2, 3))
        self._group = [self.dice.randrange(groups) for _ in self.nodes]
        self.later(self.dice.random() * 2 * self.plan.partition_every_ms, self._partition)

    def _submit_everywhere(self) -> None:
        self._group = [0] * self.plan.size
        for node in self.nodes:
            node.crash_in = None
            node.start()
        for producer in range(1, self.plan.producers + 1):
            self.submit(producer)

    def _append(self, ref: BatchRef, previous: bytes) -> None:
        if ref.digest in self.checker.ordered:
            return
        for node in self.nodes:
            self._send(node.index, node, partial(node.store_batch, ref, previous))
        self.later(RESUBMIT_MS, partial(self._append, ref, previous))

    def _send_committed(self, sender: int, node: Node, committed: Committed) -> None:
        self._send(sender, node, partial(node.learn, committed))

    def _send(self, sender: int, node: Node, action: Callable[[], None]) -> None:
        plan, dice = self.plan, self.dice
        if self.stable:
            self.later(min(dice.expovariate(1 / STABLE_DELAY_MS), 5 * STABLE_DELAY_MS), action)
            return
        if self._group[sender] != self._group[node.index] or dice.random() < plan.loss:
            return
        self.later(dice.expovariate(1 / plan.mean_delay_ms), action)
        if dice.random() < plan.duplication:
            self.later(dice.expovariate(1 / plan.mean_delay_ms), action)

    def _recovered(self, before: int) -> Callable[[], bool]:
        def done() -> bool:
            grown = all(node.height > before for node in self.nodes)
            return grown and self.checker.all_ordered([ref for ref, _ in self.refs])

        return done

    def _run_until(self, until_ms: float, done: Callable[[], bool] = lambda: False) -> None:
        heap = self._heap
        while heap and heap[0][0] <= until_ms and not done():
            self._time, _, action = heapq.heappop(heap)
            self.events += 1
            if self.events > EVENTS_MAX:
                raise Breach(f"more than {EVENTS_MAX} events")
            action()
        if not done():
            self._time = until_ms

    def _where_it_stands(self, before: int) -> str:
        standings = [(n.index, n.replica.standing) for n in self.nodes if n.replica is not None]
        places = ", ".join(f"{i}: view {s.view} height {s.height}" for i, s in standings)
        return f"not recovered from height {before} in time ({places})"
