"""What four validators in processes of their own do on a given event log: times to finality, speed, CPU time.

A block counts from the time in its header, which is when its leader began to make it, until each of the four
nodes has it final: each node's own time, noted inside it. The batches are sealed before the clock starts.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from sps.chain.execution import execute, new_state
from sps.chain.genesis import Genesis
from sps.chain.receipt import OK
from sps.eventlog.port import EventLog
from sps.runtime.errors import Trouble
from sps_cli.benches.conveyor import Conveyor, Sent
from sps_cli.benches.figures import Effort, Figure, Told, latency
from sps_cli.benches.sealed import Sealed, Sealers
from sps_cli.benches.validator_processes import ValidatorProcesses
from sps_cli.wiring import NODES

REST_S: Final = 0.25
"""Between two batches at rest: longer than a batch and the empty blocks after it take."""
BATCH_TX: Final = 500
STAGES: Final = 6
AT_ONCE: Final = 16
"""Batches under way at full speed."""
APART: Final = 24
HALF_AT_ONCE: Final = 64
WARM_S: Final = 0.02
NS_PER_MS: Final = 1e6
US: Final = 1e6
TARGET_TX_S: Final = 15_000.0
TARGET_WHOLE_S: Final = 1.0


class Spent(Struct, frozen=True):
    """CPU seconds at a moment."""

    nodes: float
    broker: float | None


class Bench:
    """One committee and its figures."""

    def __init__(
        self, part: str, effort: Effort, told: Told, broker_cpu_s: Callable[[], float | None]
    ) -> None:
        self._part: Final = part
        self._effort: Final = effort
        self._told: Final = told
        self._broker_cpu_s: Final = broker_cpu_s
        self._batches: Final[dict[bytes, Sealed]] = {}

    async def measure(self, validators: ValidatorProcesses, log: EventLog) -> list[Figure]:
        """At rest, at full speed, at half of that; `Trouble` when the validators did not do what was sent."""
        effort, sealers = self._effort, Sealers(validators.folder)
        async with Conveyor.running(log, validators) as conveyor:
            self._validators, self._conveyor = validators, conveyor
            await self._warm_up(sealers)
            singles = self._made(sealers.singles(effort.of(120, 8)))
            self._told("proposal to final at rest")
            figures = await self._at_rest(singles)
            full = self._made(sealers.lives(effort.of(40, 4), effort.of(BATCH_TX, 100), effort.of(APART, 4)))
            self._told("as many transactions as the four validators execute")
            found, speed = await self._full_speed(full)
            figures += found
            half = self._made(sealers.lives(effort.of(40, 4), effort.of(BATCH_TX, 100), effort.of(APART, 4)))
            self._told("proposal to final at half of that")
            figures += await self._half_speed(half, speed / 2)
            self._told("the same blocks executed here, for comparison")
            self._check(validators.folder.genesis())
        return figures

    async def _warm_up(self, sealers: Sealers) -> None:
        """A broker that has just started still compiles; nothing of this is measured."""
        self._told("warming up")
        singles = self._made(sealers.singles(self._effort.of(250, 10)))
        await self._conveyor.send(singles, at_once=4, every_s=WARM_S)
        lives = self._made(sealers.lives(self._effort.of(8, 1), self._effort.of(250, 100), 2))
        await self._conveyor.send(lives, at_once=AT_ONCE)

    async def _at_rest(self, batches: Sequence[Sealed]) -> list[Figure]:
        before, height = self._spent(), max(self._conveyor.blocks, default=0)
        sent = await self._conveyor.send(batches, at_once=1, every_s=REST_S)
        after, blocks = self._spent(), max(self._conveyor.blocks) - height
        figures = self._finality("at rest", [each.height for each in sent], sent)
        figures += self._cpu("at rest, per block", "ms CPU", before, after, blocks, 1e3)
        return figures

    async def _full_speed(self, batches: Sequence[Sealed]) -> tuple[list[Figure], float]:
        count = sum(each.batch.header.tx_count for each in batches)
        before, began = self._spent(), time.monotonic()
        sent = await self._conveyor.send(batches, at_once=AT_ONCE)
        took, after = time.monotonic() - began, self._spent()
        whole = self._whole_s(sent)
        speed = Figure(self._part, "executed by all four, at most", round(count / took), "tx/s", count,
                       TARGET_TX_S, "at least")  # fmt: skip
        longest = Figure(self._part, "longest from append to executed by all four meanwhile",
                         round(max(whole), 3), "s", len(whole), TARGET_WHOLE_S, "at most")  # fmt: skip
        figures = [speed, longest, *self._finality("at full speed", self._heights(sent), sent, targets=False)]
        figures += self._cpu("at full speed", "µs CPU/tx", before, after, count, US)
        return figures, count / took

    async def _half_speed(self, batches: Sequence[Sealed], tx_s: float) -> list[Figure]:
        count = sum(each.batch.header.tx_count for each in batches)
        every_s = count / len(batches) / tx_s
        before, began = self._spent(), time.monotonic()
        sent = await self._conveyor.send(batches, at_once=HALF_AT_ONCE, every_s=every_s)
        took, after = time.monotonic() - began, self._spent()
        speed = Figure(self._part, "half load: executed by all four", round(count / took), "tx/s", count)
        figures = [speed, *self._finality("at half load", self._heights(sent), sent)]
        return figures + self._cpu("at half load", "µs CPU/tx", before, after, count, US)

    def _heights(self, sent: Sequence[Sent]) -> list[int]:
        """All blocks from the first to the last with these batches, the empty ones between included."""
        heights = [each.height for each in sent]
        return list(range(min(heights), max(heights) + 1))

    def _finality(
        self, when: str, heights: Sequence[int], sent: Sequence[Sent], *, targets: bool = True
    ) -> list[Figure]:
        self._validators.look()
        blocks = self._conveyor.blocks
        nodes = self._validators.notes
        times = [
            node.final_ns[h] / NS_PER_MS - blocks[h].header.time_ms
            for h in heights for node in nodes if h in node.final_ns
        ]  # fmt: skip
        whole = [
            (max(node.final_ns[each.height] for node in nodes) - each.began_ns) / NS_PER_MS for each in sent
        ]
        goals = (15.0, 40.0) if targets else (None, None)
        return [
            *latency(self._part, f"proposal → final at a validator, {when}", times, *goals),
            *latency(self._part, f"batch appended → final at all four, {when}", whole),
        ]

    def _whole_s(self, sent: Sequence[Sent]) -> list[float]:
        return [(each.executed_ns - each.began_ns) / 1e9 for each in sent]

    def _spent(self) -> Spent:
        return Spent(self._validators.cpu_s(), self._broker_cpu_s())

    def _cpu(
        self, what: str, unit: str, before: Spent, after: Spent, count: int, scale: float
    ) -> list[Figure]:
        node = (after.nodes - before.nodes) / len(NODES) / count * scale
        figures = [Figure(self._part, f"one validator, {what}", round(node, 2), unit, count)]
        if before.broker is not None and after.broker is not None:
            broker = (after.broker - before.broker) / count * scale
            figures.append(Figure(self._part, f"the broker, {what}", round(broker, 2), unit, count))
        return figures

    def _made(self, batches: list[Sealed]) -> list[Sealed]:
        self._batches.update((each.name, each) for each in batches)
        return batches

    def _check(self, genesis: Genesis) -> None:
        """Execute the blocks here: no transaction was refused, and the nodes state the same results."""
        state, blocks = new_state(genesis), self._conveyor.blocks
        for height in range(1, max(blocks) + 1):
            block = blocks[height]
            batches = [self._batches[ref.digest].batch for ref in block.refs]
            receipts = execute(state, block.header, block.refs, batches)
            codes = sorted({receipt.code for receipt in receipts} - {OK})
            said = block.header.exec_height
            if codes or (said and state.result_of(said).app_hash != block.header.app_hash):
                raise Trouble(f"block {height}: transactions refused ({codes}), or another result")
