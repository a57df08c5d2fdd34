"""Four validators in one process over the embedded log: proposal to final at rest, and the most they execute.

They share one interpreter, so four executions of every transaction queue up behind one lock: what a machine
for each validator could do is the figure of CPU per transaction, not this one.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from consensus_node.application.node import Node
from consensus_node.bootstrap import bootstrap
from consensus_node.core.messages import Proposal
from consensus_node.core.wire import decode_message
from consensus_node.settings import Settings
from sps.chain.batch import FIRST_PREV_DIGEST, Batch, digest, encode_batch, seal
from sps.chain.block import decode_committed
from sps.eventlog.embedded import EmbeddedLog
from sps.eventlog.port import NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS, TOPICS, TRANSACTIONS
from sps.runtime.errors import Trouble
from sps_cli.benches.figures import NANO, Effort, Figure, Stopwatch, Told, latency
from sps_cli.benches.ordering_seat import Town
from sps_cli.benches.programs import load_program

PART: Final = "validators"
WORKLOAD: Final = "execution_bench.py"
VALIDATORS: Final = 4
PAUSE_S: Final = 0.1
PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.002
BATCH_TX: Final = 500
COHORTS: Final = 3
"""Groups of contracts that move on independently, so that no stage waits for the one before."""
STAGE_ROLES: Final = ("api", "api", "payment", "carrier", "carrier", "payment")


class WatchedLog(EmbeddedLog):
    """Notes when a proposal is said, and which batches stand in which final block."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.proposed: dict[int, float] = {}
        """Height → when its first proposal was given to the log."""
        self.ordered: dict[bytes, int] = {}
        """Batch → height of its block."""

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        now = time.monotonic()
        if topic == CONSENSUS:
            for record in records:
                message = decode_message(record.value)
                if isinstance(message, Proposal):
                    self.proposed.setdefault(message.header.height, now)
        elif topic == BLOCKS:
            for record in records:
                committed = decode_committed(record.value)
                for ref in committed.refs:
                    self.ordered[ref.digest] = committed.header.height
        return await super().append(topic, partition, records)


class Committee:
    """The four nodes and the producers that feed them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.town = Town(folder, VALIDATORS)
        self.log = WatchedLog(folder / "log.sqlite")
        self.nodes: list[Node] = []
        self.final: list[dict[int, float]] = [{} for _ in range(VALIDATORS)]
        """Per node: height → when it was final there."""
        self.sealing = Stopwatch()
        """What the producers cost, who are not validators."""
        self._lanes = dict.fromkeys(self.town.producers, (0, FIRST_PREV_DIGEST))

    async def start(self) -> None:
        (self.folder / "genesis.json").write_bytes(self.town.raw)
        await self.log.start()
        for index in range(VALIDATORS):
            self.nodes.append(await self._node(index))
        await asyncio.gather(*(node.start() for node in self.nodes))
        await self.until(lambda: all(node.ready() for node in self.nodes), "the validators are ready")

    async def stop(self) -> None:
        await asyncio.gather(*(node.stop() for node in self.nodes))
        await self.log.stop()

    def seal(self, role: str, transactions: Sequence[bytes]) -> Batch:
        """The producer's next batch."""
        seq, previous = self._lanes[role]
        number, signer = self.town.producers[role]
        with self.sealing:
            batch = seal(signer, self.town.chain_id, number, seq + 1, previous, transactions, 0)
        self._lanes[role] = (seq + 1, digest(batch.header))
        return batch

    async def send(self, batch: Batch) -> None:
        """Put a batch on the log."""
        number = batch.header.producer_id
        record = NewRecord(number.to_bytes(8, "big"), encode_batch(batch))
        await self.log.append(TRANSACTIONS, number % TOPICS[TRANSACTIONS].partitions, [record])

    async def executed(self, batches: Sequence[Batch]) -> None:
        """Return when every node has executed them."""
        names = [digest(batch.header) for batch in batches]
        await self.until(lambda: all(name in self.log.ordered for name in names), "the batches are ordered")
        height = max(self.log.ordered[name] for name in names)
        await self.until(
            lambda: all(node.executed[0] >= height for node in self.nodes), "the batches are executed"
        )

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > end:
                raise Trouble(f"waited {PATIENCE_S:.0f} s in vain until {what}")
            await asyncio.sleep(LOOK_S)

    async def _node(self, index: int) -> Node:
        key = self.folder / f"v{index}.key"
        key.touch(0o600)
        key.write_text(self.town.seeds[index].hex() + "\n")
        settings = Settings(
            genesis=self.folder / "genesis.json",
            key=key,
            data=self.folder / f"v{index}",
            peers=(),
            listen_ms=0,
        )

        def noted(step: str) -> None:
            if step == "node.Deliver":
                self.final[index].setdefault(self.nodes[index].final_height, time.monotonic())

        return await bootstrap(settings, log=self.log, probe=noted)


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """At rest first, then as much as goes."""
    resting, contracts = effort.of(80, 8), effort.of(1_500, 500)
    stages = list(_stages(resting + COHORTS * contracts))
    with tempfile.TemporaryDirectory() as folder:
        committee = Committee(Path(folder))
        try:
            await committee.start()
            told("proposal to final at rest")
            figures = await _at_rest(committee, stages[0][:resting])
            told("as many transactions as the four validators execute")
            starts = range(resting, resting + COHORTS * contracts, contracts)
            cohorts = [[stage[start : start + contracts] for stage in stages] for start in starts]
            return figures + await _as_much_as_goes(committee, cohorts)
        finally:
            await committee.stop()


async def _at_rest(committee: Committee, offers: Sequence[bytes]) -> list[Figure]:
    sent: list[tuple[Batch, float]] = []
    for raw in offers:
        batch = committee.seal("api", [raw])
        sent.append((batch, time.monotonic()))
        await committee.send(batch)
        await asyncio.sleep(PAUSE_S)
    await committee.executed([batch for batch, _ in sent])
    heights = [committee.log.ordered[digest(batch.header)] for batch, _ in sent]
    proposed = committee.log.proposed
    to_final = [(final[h] - proposed[h]) * 1_000 for final in committee.final for h in heights]
    whole = [
        (max(final[h] for final in committee.final) - began) * 1_000
        for h, (_, began) in zip(heights, sent, strict=True)
    ]
    return [
        *latency(PART, "proposal → final at a validator, at rest", to_final, 15.0, 40.0),
        *latency(PART, "batch appended → final at all four, at rest", whole),
    ]


async def _as_much_as_goes(
    committee: Committee, cohorts: Sequence[Sequence[Sequence[bytes]]]
) -> list[Figure]:
    finality: list[float] = []

    async def live(stages: Sequence[Sequence[bytes]]) -> None:
        for role, transactions in zip(STAGE_ROLES, stages, strict=True):
            began, batches = time.monotonic(), []
            for at in range(0, len(transactions), BATCH_TX):
                batches.append(committee.seal(role, transactions[at : at + BATCH_TX]))
                await committee.send(batches[-1])
            await committee.executed(batches)
            finality.append(time.monotonic() - began)

    committee.sealing = Stopwatch()
    began, cpu = time.monotonic(), time.process_time_ns()
    await asyncio.gather(*map(live, cohorts))
    took = time.monotonic() - began
    spent_us = (time.process_time_ns() - cpu - committee.sealing.spent_ns) / NANO
    count = sum(len(stage) for stages in cohorts for stage in stages)
    return [
        Figure(PART, "executed by all four in one process", round(count / took), "tx/s", count),
        Figure(PART, "longest from append to executed by all four meanwhile", round(max(finality), 2), "s",
               len(finality)),
        Figure(PART, "the whole node with the embedded log, per validator",
               round(spent_us / count / VALIDATORS, 2), "µs CPU/tx", count),
    ]  # fmt: skip


def _stages(contracts: int) -> Iterator[list[bytes]]:
    program: Any = load_program(WORKLOAD)
    stages: Iterator[list[bytes]] = program.stages(contracts, 0, time.time_ns() // 1_000_000)
    return stages
