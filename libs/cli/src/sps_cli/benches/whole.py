"""The whole embedded platform as a process: start, memory, deliveries at rest and under load, stop, anew."""

import tempfile
import time
from pathlib import Path
from typing import Final

import httpx

from sps_cli.benches.crowd import Crowd, Deal
from sps_cli.benches.deliveries import (
    BlockWatch,
    at_rest,
    most,
    payout_figures,
    release_figures,
    shown,
    under_load,
)
from sps_cli.benches.figures import Effort, Figure, Told, latency
from sps_cli.benches.process import UpProcess

PART: Final = "platform"
HALF_LOAD: Final = 0.4
"""Processors that the deliveries keep busy at half load; with the opened contracts half an interpreter."""
OPENED_PER_S: Final = 1.0
DELIVERY_CPU_S: Final = 0.4
"""Taken where the kernel does not tell CPU time."""
CONTRACTS_FIRST: Final = 100
CONTRACTS_AT_SECOND_START: Final = 200
CONNECTIONS: Final = 64


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """One process after the other on one folder."""
    with tempfile.TemporaryDirectory() as folder:
        process = UpProcess(Path(folder) / "state")
        try:
            figures, contracts = await _first_life(process, effort, told)
            figures += await _second_life(process, contracts, told)
        finally:
            await process.stop()
        return figures


async def _first_life(process: UpProcess, effort: Effort, told: Told) -> tuple[list[Figure], int]:
    told("starting the platform on a fresh folder")
    figures = [
        _seconds("start to ready, fresh folder", await process.start()),
        _memory("after start", process),
    ]
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(trust_env=False, limits=limits) as client:
        crowd = Crowd(process.folder, client)
        await crowd.register()
        figures += await _deliveries(process, crowd, effort, told)
        missing = effort.of(CONTRACTS_AT_SECOND_START, 0) - crowd.opened
        told(f"{max(0, missing)} more contracts")
        for _ in range(missing):
            await crowd.open()
    figures.append(_seconds("Ctrl-C to ended, after the deliveries", await process.stop()))
    return figures, crowd.opened


async def _deliveries(process: UpProcess, crowd: Crowd, effort: Effort, told: Told) -> list[Figure]:
    rest, load, asked = effort.of(35, 1), effort.of(35, 1), effort.of(10, 1)
    told(f"{rest + load + asked} contracts on their way")
    ready = await crowd.on_the_way(rest + load + asked)
    for _ in range(effort.of(CONTRACTS_FIRST, 0) - crowd.opened):
        await crowd.open()
    figures = [_memory(f"after {crowd.opened} contracts", process)]
    await crowd.delivered_at_the_carrier(ready)
    async with BlockWatch.on(process.folder) as watch:
        told(f"{rest} deliveries, one by one")
        await watch.quiet()
        resting, before = ready[:rest], process.cpu_s()
        sent = await at_rest(crowd, watch, resting)
        await watch.quiet()
        cost_s = DELIVERY_CPU_S if before is None else ((process.cpu_s() or 0) - before) / rest
        figures.append(
            Figure(PART, "a delivery with its payout, all nine participants", round(cost_s, 3), "s CPU", rest)
        )
        figures += await release_figures(PART, "at rest", crowd, watch, resting, sent)
        figures += await payout_figures(PART, "at rest", process.folder, crowd, watch, resting)
        told(f"{asked} deliveries, and the API is asked all the time")
        times = await shown(crowd, watch, ready[rest : rest + asked])
        figures += latency(PART, "signed webhook → release shown by the API, at rest", times)
        told("how many contracts can be opened in a second")
        full = await most(crowd, effort.of(4, 1))
        figures.append(
            Figure(PART, "contracts opened through the API, at most", round(full, 1), "/s", crowd.opened)
        )
        told(f"{load} deliveries at half load")
        figures += await _loaded(process, crowd, watch, ready[rest + asked :], cost_s / HALF_LOAD)
    return figures


async def _loaded(
    process: UpProcess, crowd: Crowd, watch: BlockWatch, deals: list[Deal], every_s: float
) -> list[Figure]:
    await watch.quiet()
    began, before = time.monotonic(), process.cpu_s()
    sent = await under_load(crowd, deals, every_s, OPENED_PER_S)
    took, after = time.monotonic() - began, process.cpu_s()
    figures = [Figure(PART, "half load: deliveries", round(1 / every_s, 2), "/s", len(deals))]
    figures.append(Figure(PART, "half load: contracts opened meanwhile", OPENED_PER_S, "/s", 1))
    if before is not None and after is not None:
        share = round((after - before) / took, 2)
        figures.append(Figure(PART, "half load: processors kept busy by the platform", share, "", 1))
    figures += await release_figures(PART, "at half load", crowd, watch, deals, sent)
    return figures + await payout_figures(PART, "at half load", process.folder, crowd, watch, deals)


async def _second_life(process: UpProcess, contracts: int, told: Told) -> list[Figure]:
    told("starting the platform again")
    figures = [
        _seconds("start to ready, second start", await process.start()),
        Figure(PART, "contracts in the folder at the second start", contracts, "", 1),
        _memory("after the second start", process),
    ]
    figures.append(_seconds("Ctrl-C to ended, at rest", await process.stop()))
    return figures


def _seconds(what: str, value: float) -> Figure:
    return Figure(PART, what, round(value, 2), "s", 1)


def _memory(when: str, process: UpProcess) -> Figure:
    return Figure(PART, f"resident memory {when}", round(process.rss_mb(), 1), "MB", 1)
