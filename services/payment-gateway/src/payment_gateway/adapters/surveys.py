"""What is open, counted for the metrics: each question has its index, and none reads what is over."""

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_gateway.adapters.tables import callback, outgoing, payment
from payment_gateway.core.payout import NEVER_MS
from payment_gateway.metrics import OPEN_STATES, GatewayMetrics, OpenOrders, Waiting
from sps.runtime.clock import Clock
from sps.runtime.database import Database

PENDING: Final = ("opening", "pending")


class CountOpen:
    """One survey: orders, payments and callbacks that are not over."""

    def __init__(self, database: Database, clock: Clock, metrics: GatewayMetrics) -> None:
        self._database: Final = database
        self._clock: Final = clock
        self._metrics: Final = metrics

    async def __call__(self) -> None:
        async with self._database.reading() as connection:
            orders = await _orders(connection)
            pending = await _payments(connection)
            waiting = await _callbacks(connection)
        now_ms = self._clock.now_ms()
        self._metrics.orders_open(orders, now_ms)
        self._metrics.payments_pending(pending)
        self._metrics.callbacks_waiting(waiting, now_ms)


async def _orders(connection: AsyncConnection) -> list[OpenOrders]:
    row = outgoing.c
    query = (
        select(row.provider, row.state, func.count(), func.min(row.ordered_ms))
        .where(row.due_ms < NEVER_MS, row.state.in_(OPEN_STATES))
        .group_by(row.provider, row.state)
    )
    return [OpenOrders(*found) for found in await connection.execute(query)]


async def _payments(connection: AsyncConnection) -> dict[str, int]:
    column = payment.c
    query = (
        select(column.provider, func.count())
        .where(column.due_ms < NEVER_MS, column.state.in_(PENDING))
        .group_by(column.provider)
    )
    return {row.provider: int(row[1]) for row in await connection.execute(query)}


async def _callbacks(connection: AsyncConnection) -> list[Waiting]:
    row = callback.c
    query = (
        select(row.provider, func.count(), func.min(row.received_ms))
        .where(row.verdict == "received")
        .group_by(row.provider)
    )
    return [Waiting(*found) for found in await connection.execute(query)]
