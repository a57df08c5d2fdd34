"""From the carrier's signed webhook to the final block that releases the money, and on to the payout.

The clock starts before the webhook is sent and stops when the block with the release is read from the log
by another process, the bench's own, which on the embedded log sees it up to 3 ms late. The payout counts from
that block to the moment that the provider's own books name.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from msgspec import Struct

from sandbox.adapters.store import DatabaseStore
from sandbox.core.records import Movement
from sps.chain.block import decode_committed
from sps.escrow.release import payout_id
from sps.eventlog.address import open_log
from sps.eventlog.port import EventLog
from sps.eventlog.topics import BLOCKS
from sps.runtime.database import Database
from sps.runtime.errors import Trouble
from sps_cli.benches.crowd import Crowd, Deal
from sps_cli.benches.figures import Figure, latency
from sps_cli.state_folder import StateFolder
from sps_cli.wiring import backends_of

TARGET_RELEASE_MS: Final = 100.0
TARGET_PAYOUT_MS: Final = 1_000.0
CARRIER_GATEWAY: Final = 2
"""Its number as a producer."""
READ_WAIT_S: Final = 1.0
QUIET_S: Final = 0.25
"""No block for this long: the delivery before, with its payout, is through."""
LOOK_S: Final = 0.05
WAIT_S: Final = 20.0
SHOWN_POLL_S: Final = 0.005
LOAD_WORKERS: Final = 8


class Seen(Struct, frozen=True):
    """When a block was read from the log: for differences, and on the wall clock."""

    monotonic_s: float
    wall_ms: float


class BlockWatch:
    """Reads the final blocks of a running platform from its log."""

    def __init__(self) -> None:
        self.seen: dict[int, Seen] = {}
        self._moved = asyncio.Event()
        self.spoken = asyncio.Event()
        """Set by a block that holds news of the carrier gateway."""

    @classmethod
    @asynccontextmanager
    async def on(cls, folder: StateFolder) -> AsyncIterator["BlockWatch"]:
        """Watch until the end of the block."""
        watch, log = cls(), open_log(backends_of(folder).event_log)
        await log.start()
        task = asyncio.create_task(watch._read(log))
        try:
            yield watch
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await log.stop()

    async def block(self, height: int) -> Seen:
        end = time.monotonic() + WAIT_S
        while height not in self.seen:
            if time.monotonic() > end:
                raise Trouble(f"block {height} is not on the log")
            await asyncio.sleep(LOOK_S)
        return self.seen[height]

    async def quiet(self) -> None:
        """Return when the chain has nothing to do."""
        with suppress(TimeoutError):
            while True:
                self._moved.clear()
                async with asyncio.timeout(QUIET_S):
                    await self._moved.wait()

    async def _read(self, log: EventLog) -> None:
        _, offset = await log.bounds(BLOCKS, 0)
        while True:
            for record in await log.read(BLOCKS, 0, offset, wait_s=READ_WAIT_S):
                offset = record.offset + 1
                committed = decode_committed(record.value)
                now = Seen(time.monotonic(), time.time() * 1_000)
                self.seen.setdefault(committed.header.height, now)
                self._moved.set()
                if any(ref.producer_id == CARRIER_GATEWAY for ref in committed.refs):
                    self.spoken.set()


async def at_rest(crowd: Crowd, watch: BlockWatch, deals: list[Deal]) -> dict[str, float]:
    """One delivery after the other; returns when each webhook was sent."""
    sent = {}
    for deal in deals:
        await watch.quiet()
        watch.spoken.clear()
        sent[deal.contract] = time.monotonic()
        await crowd.tell(deal)
        async with asyncio.timeout(WAIT_S):
            await watch.spoken.wait()
    return sent


async def shown(crowd: Crowd, watch: BlockWatch, deals: list[Deal]) -> list[float]:
    """Milliseconds until the API shows the release to the seller, who asks all the time."""
    times = []
    for deal in deals:
        await watch.quiet()
        began = time.monotonic()
        await crowd.tell(deal)
        await crowd.released(deal, SHOWN_POLL_S)
        times.append((time.monotonic() - began) * 1_000)
    return times


async def most(crowd: Crowd, seconds: float) -> float:
    """Contracts per second that the platform opens when some sellers never rest."""
    began, before = time.monotonic(), crowd.opened

    async def seller() -> None:
        while time.monotonic() - began < seconds:
            await crowd.open()

    await asyncio.gather(*(seller() for _ in range(LOAD_WORKERS)))
    return (crowd.opened - before) / (time.monotonic() - began)


async def under_load(crowd: Crowd, deals: list[Deal], every_s: float, rate: float) -> dict[str, float]:
    """Deliveries at a steady pace while contracts are opened at a steady rate, nobody waiting for another."""
    sent: dict[str, float] = {}
    load = asyncio.create_task(_steady(crowd, rate))
    try:
        start = time.monotonic() + QUIET_S
        async with asyncio.TaskGroup() as group:
            for number, deal in enumerate(deals):
                await asyncio.sleep(max(0.0, start + number * every_s - time.monotonic()))
                sent[deal.contract] = time.monotonic()
                group.create_task(crowd.tell(deal))
    finally:
        load.cancel()
        with suppress(asyncio.CancelledError):
            await load
    return sent


async def _steady(crowd: Crowd, rate: float) -> None:
    start, number = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            group.create_task(crowd.open())
            number += 1


async def release_figures(
    part: str, what: str, crowd: Crowd, watch: BlockWatch, deals: list[Deal], sent: dict[str, float]
) -> list[Figure]:
    """Webhook → final block."""
    times = []
    for deal in deals:
        seen = await watch.block(await crowd.released(deal, QUIET_S))
        times.append((seen.monotonic_s - sent[deal.contract]) * 1_000)
    return latency(
        part, f"signed webhook → released in a final block, {what}", times, None, TARGET_RELEASE_MS
    )


async def payout_figures(
    part: str, what: str, folder: StateFolder, crowd: Crowd, watch: BlockWatch, deals: list[Deal]
) -> list[Figure]:
    """Final block → the provider's books know the payout."""
    taken = await _taken_ms(folder, [payout_id(deal.contract, "t1", 0) for deal in deals])
    times = []
    for deal in deals:
        seen = await watch.block(await crowd.released(deal, QUIET_S))
        times.append(max(0.0, taken[payout_id(deal.contract, "t1", 0)] - seen.wall_ms))
    return latency(part, f"released → payout handed to the provider, {what}", times, None, TARGET_PAYOUT_MS)


async def _taken_ms(folder: StateFolder, payouts: list[str]) -> dict[str, int]:
    """When the provider took each payout, from its books; waits until it has them all."""
    database = Database(folder.database("sandbox"))
    store, end = DatabaseStore(database), time.monotonic() + WAIT_S
    try:
        while True:
            async with store.reading() as unit:
                found = {
                    each.our_id: each.created_ms for each in await unit.find_all(Movement, limit=100_000)
                }
            if found.keys() >= set(payouts):
                return found
            if time.monotonic() > end:
                raise Trouble(f"{len(set(payouts) - found.keys())} payouts did not reach the provider")
            await asyncio.sleep(QUIET_S)
    finally:
        await database.stop()
