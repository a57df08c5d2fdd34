"""How fast the books take blocks: settlement's own projection, its database a real PostgreSQL, fsync on.

Blocks are executed contracts; one block is one transaction of the database. What is timed is executing a
block of deliveries and folding it, in turn, as a follower does. Each delivery releases the money, takes a fee
and orders a signed payout: a receipt, 2 journals, 5 postings, 2 new accounts or 1, an order. Hot: one seller
has all the releases; spread: each release has a seller of its own.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from sps_cli.benches.figures import Effort, Figure, Told, latency, median
from sps_cli.benches.folding_books import FoldingBooks, Run
from sps_cli.benches.ordering_seat import Town
from sps_cli.benches.own_servers import postgres

PART: Final = "fold"
TARGET_PER_S: Final = 3_000.0
TARGET_HOT_PERCENT: Final = 90.0
TARGET_P99_MS: Final = 250.0
VALIDATORS: Final = 4
PER_BLOCK: Final = (250, 1_000)
RELEASES_AT_ONCE: Final = 2_000
"""In one run, whatever the size of its blocks."""
PACED_PER_BLOCK: Final = 25
PACED_EVERY_S: Final = 0.025
"""A thousand releases per second, in blocks as validators make them under load."""
PERCENT: Final = 100
UNIT: Final = "releases/s"
CPU: Final = "µs CPU/release"


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """Runs of hot and spread accounts in turn, then releases at a steady pace."""
    rounds, paced = effort.of(3, 1), effort.of(240, 20)
    at_once = effort.of(RELEASES_AT_ONCE, PER_BLOCK[-1])
    releases = rounds * at_once * len(PER_BLOCK)
    steady = paced * PACED_PER_BLOCK
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        town = Town(folder, VALIDATORS)
        async with (
            postgres(folder) as server,
            FoldingBooks.opened(town, server, "hot") as hot,
            FoldingBooks.opened(town, server, "spread") as spread,
        ):
            told(f"folding {2 * releases + steady} contracts up to their delivery")
            await hot.prepare(releases, sellers=1)
            await spread.prepare(releases + steady, sellers=releases + steady)
            runs: dict[tuple[str, int], list[Run]] = {}
            for number in range(rounds):
                told(f"releasing in blocks of {PER_BLOCK}, round {number + 1} of {rounds}")
                for per_block in PER_BLOCK:
                    for kind, books in (("hot", hot), ("spread", spread)):
                        run = await books.deliver(per_block, at_once // per_block)
                        runs.setdefault((kind, per_block), []).append(run)
            told("releasing a thousand per second")
            times_ms = await _paced(spread, paced)
    return [*_speeds(runs), *_hot_against_spread(runs), *_costs(runs), *_latency(times_ms)]


async def _paced(books: FoldingBooks, blocks: int) -> list[float]:
    """From the moment at which a block is due to its COMMIT, in milliseconds; a late one delays the next."""
    times_ms: list[float] = []
    began = time.perf_counter()
    for number in range(blocks):
        due = began + number * PACED_EVERY_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await books.deliver_block(PACED_PER_BLOCK)
        times_ms.append((time.perf_counter() - due) * 1_000)
    return times_ms


Runs = dict[tuple[str, int], list[Run]]


def _speeds(runs: Runs) -> list[Figure]:
    figures: list[Figure] = []
    for (kind, per_block), found in runs.items():
        n = sum(run.releases for run in found)
        what = f"{per_block} releases a block, {kind}"
        whole = round(1e6 / median([run.wall_us for run in found]))
        figures.append(Figure(PART, f"executed and folded, {what}", whole, UNIT, n, TARGET_PER_S, "at least"))
        alone = round(1e6 / median([run.transaction_us for run in found]))
        figures.append(Figure(PART, f"folded, execution not counted, {what}", alone, UNIT, n))
    return figures


def _hot_against_spread(runs: Runs) -> list[Figure]:
    """Pairs that ran one after the other, so that a busy machine is busy for both."""
    pairs = [
        spread.wall_us / hot.wall_us
        for per_block in PER_BLOCK
        for hot, spread in zip(runs["hot", per_block], runs["spread", per_block], strict=True)
    ]
    speed = round(median(pairs) * PERCENT, 1)
    what = "speed with one hot account, of that with spread ones"
    return [Figure(PART, what, speed, "%", len(pairs), TARGET_HOT_PERCENT, "at least")]


def _costs(runs: Runs) -> list[Figure]:
    found = runs["spread", PER_BLOCK[-1]]
    n = sum(run.releases for run in found)
    parts = [
        ("executing the block", [run.executing_us for run in found]),
        ("settlement's own part", [run.folding_us for run in found]),
        ("PostgreSQL", [run.server_us for run in found if run.server_us is not None]),
    ]
    return [Figure(PART, what, round(median(costs), 1), CPU, n) for what, costs in parts if costs]


def _latency(times_ms: list[float]) -> list[Figure]:
    return latency(PART, "block received → committed at 1,000 releases/s", times_ms, p99=TARGET_P99_MS)
