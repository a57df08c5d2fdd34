"""From the carrier's signed webhook to the final block that releases the money, and on to the payout.

The clock starts before the webhook is sent and stops when the block with the release is read from the log by
the bench's process. The payout counts from that block to the moment that the provider's own books name.
"""

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from msgspec import Struct

from sandbox.adapters.store import DatabaseStore
from sandbox.core.records import Movement
from sps.escrow.release import payout_id
from sps.runtime.database import Database
from sps.runtime.errors import Trouble
from sps_cli.benches.block_watch import QUIET_S, WAIT_S, BlockWatch, Seen
from sps_cli.benches.crowd import Crowd, Deal
from sps_cli.benches.figures import Figure, latency
from sps_cli.state_folder import StateFolder

TARGET_RELEASE_MS: Final = 100.0
TARGET_PAYOUT_MS: Final = 1_000.0
SHOWN_POLL_S: Final = 0.005
LOAD_WORKERS: Final = 8


class Webhook(Struct, frozen=True):
    """One webhook. `sent_s`, `answered_s`: monotonic; `sent_ms`: when it was sent, Unix milliseconds."""

    sent_s: float
    sent_ms: float
    answered_s: float


async def at_rest(crowd: Crowd, watch: BlockWatch, deals: list[Deal]) -> dict[str, Webhook]:
    """One delivery after the other; returns each contract's webhook."""
    webhooks = {}
    for deal in deals:
        await watch.quiet()
        watch.spoken.clear()
        webhooks[deal.contract] = await _tell(crowd, deal)
        async with asyncio.timeout(WAIT_S):
            await watch.spoken.wait()
    return webhooks


async def _tell(crowd: Crowd, deal: Deal) -> Webhook:
    sent_s, sent_ms = time.monotonic(), time.time() * 1_000
    await crowd.tell(deal)
    return Webhook(sent_s, sent_ms, time.monotonic())


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


async def under_load(crowd: Crowd, deals: list[Deal], every_s: float, rate: float) -> dict[str, Webhook]:
    """Deliveries at a steady pace while contracts are opened at a steady rate, nobody waiting for another."""
    load = asyncio.create_task(_steady(crowd, rate))
    try:
        start = time.monotonic() + QUIET_S
        async with asyncio.TaskGroup() as group:
            told = {}
            for number, deal in enumerate(deals):
                await asyncio.sleep(max(0.0, start + number * every_s - time.monotonic()))
                told[deal.contract] = group.create_task(_tell(crowd, deal))
    finally:
        load.cancel()
        with suppress(asyncio.CancelledError):
            await load
    return {contract: task.result() for contract, task in told.items()}


async def _steady(crowd: Crowd, rate: float) -> None:
    start, number = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            group.create_task(crowd.open())
            number += 1


async def released(crowd: Crowd, watch: BlockWatch, deals: list[Deal]) -> dict[str, Seen]:
    """The block that released each contract's money."""
    return {deal.contract: await watch.block(await crowd.released(deal, QUIET_S)) for deal in deals}


def release_figures(
    part: str, what: str, webhooks: dict[str, Webhook], blocks: dict[str, Seen]
) -> list[Figure]:
    """Webhook → final block."""
    times = [(blocks[each].read_s - webhook.sent_s) * 1_000 for each, webhook in webhooks.items()]
    return latency(
        part, f"signed webhook → released in a final block, {what}", times, None, TARGET_RELEASE_MS
    )


async def payout_figures(part: str, what: str, folder: StateFolder, blocks: dict[str, Seen]) -> list[Figure]:
    """Final block → the provider's books know the payout."""
    payouts = {payout_id(contract, "t1", 0): seen for contract, seen in blocks.items()}
    taken = await _taken_ms(folder, payouts)
    times = [max(0.0, taken[payout] - seen.read_ms) for payout, seen in payouts.items()]
    return latency(part, f"released → payout handed to the provider, {what}", times, None, TARGET_PAYOUT_MS)


async def _taken_ms(folder: StateFolder, payouts: Collection[str]) -> dict[str, int]:
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
