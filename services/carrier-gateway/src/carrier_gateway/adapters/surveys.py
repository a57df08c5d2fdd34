"""What waits at each carrier, counted for the metrics: by indexes, without reading what is over."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from carrier_gateway.adapters import tables
from carrier_gateway.metrics import GatewayMetrics, Standing
from sps.runtime.clock import Clock
from sps.runtime.database import Database

LATE_MS: Final = 15 * 60_000
"""A question that is due for longer is late."""


class CountWaiting:
    """One survey: messages to handle, parcels to watch, questions that are late."""

    def __init__(
        self, database: Database, carriers: Collection[str], clock: Clock, metrics: GatewayMetrics
    ) -> None:
        self._database: Final = database
        self._carriers: Final = carriers
        self._clock: Final = clock
        self._metrics: Final = metrics

    async def __call__(self) -> None:
        for carrier in self._carriers:
            now_ms = self._clock.now_ms()
            async with self._database.reading() as connection:
                messages, oldest_ms = await _messages(connection, carrier)
                watched, late = await _parcels(connection, carrier, now_ms)
            self._metrics.stands(Standing(carrier, messages, oldest_ms, watched, late), now_ms)


async def _messages(connection: AsyncConnection, carrier: str) -> tuple[int, int | None]:
    row = tables.inbound.c
    query = select(func.count(), func.min(row.received_ms)).where(
        row.carrier == carrier, row.due_ms.is_not(None)
    )
    count, oldest_ms = (await connection.execute(query)).one()
    return int(count), oldest_ms


async def _parcels(connection: AsyncConnection, carrier: str, now_ms: int) -> tuple[int, int]:
    row = tables.parcel.c
    late = func.count(case((row.poll_due_ms < now_ms - LATE_MS, 1)))
    query = select(func.count(), late).where(row.carrier == carrier, row.poll_due_ms.is_not(None))
    watched, overdue = (await connection.execute(query)).one()
    return int(watched), int(overdue)
