"""The whole embedded platform as a process: start, memory, deliveries at rest and under load, stop, anew."""

import tempfile
from pathlib import Path
from typing import Final

import httpx

from sps_cli.benches.crowd import Crowd
from sps_cli.benches.delivery_load import DeliveryLoad, counts
from sps_cli.benches.figures import Effort, Figure, Told
from sps_cli.benches.process import UpProcess

PART: Final = "platform"
HALF_LOAD: Final = 0.4
"""Processors that the deliveries keep busy at half load; with the opened contracts half an interpreter."""
WHO: Final = "all nine participants"
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
    told(f"{sum(counts(effort))} contracts on their way")
    ready = await crowd.on_the_way(sum(counts(effort)))
    for _ in range(effort.of(CONTRACTS_FIRST, 0) - crowd.opened):
        await crowd.open()
    figures = [_memory(f"after {crowd.opened} contracts", process)]
    await crowd.delivered_at_the_carrier(ready)
    load = DeliveryLoad(PART, process.folder, process.cpu_s, WHO, HALF_LOAD)
    return figures + await load.measure(crowd, ready, effort, told)


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
