"""Publishes the orders that the fold has written. A crash in between publishes again, the same bytes."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from settlement.application.order_tracing import OrderTracing
from settlement.application.ports import OrderRegister, StoredOrder
from settlement.metrics import OrderMetrics
from sps.eventlog.port import EventLog, NewRecord
from sps.eventlog.topics import PAYOUTS, TOPICS
from sps.runtime.chain_tracing import wall_ms
from sps.runtime.probe import Probe, no_probe
from sps.transactions.orders import order_partition

ROUND_MAX: Final = 200
"""Orders of one round; with 4 KiB each they stay far below what one append may hold."""


class PublishOrders:
    """First the log, then the mark: an order is published at least once, and its reader takes it once."""

    def __init__(
        self,
        register: OrderRegister,
        log: EventLog,
        metrics: OrderMetrics,
        probe: Probe = no_probe,
        tracing: OrderTracing | None = None,
    ) -> None:
        self._register: Final = register
        self._log: Final = log
        self._metrics: Final = metrics
        self._probe: Final = probe
        self._tracing: Final = tracing
        self.wake: Final = asyncio.Event()

    async def again(self, orders: Sequence[str]) -> None:
        """Publish these once more: the log may have lost them, and whoever has read them takes them once."""
        for at in range(0, len(orders), ROUND_MAX):
            self._metrics.repeated.inc(await self._register.reopen(orders[at : at + ROUND_MAX]))
        self.wake.set()

    async def round(self) -> int:
        """Publish the oldest open orders; returns how many."""
        self.wake.clear()
        orders = await self._register.unpublished(ROUND_MAX)
        self._metrics.unpublished.set(len(orders))
        if not orders:
            return 0
        began_ms = wall_ms()
        for partition, records in self._by_partition(orders).items():
            await self._log.append(PAYOUTS, partition, records)
            self._metrics.published.inc(len(records))
        if self._tracing is not None:
            self._tracing.published(orders, began_ms)
        self._probe("settlement.published")
        await self._register.mark(orders)
        self._probe("settlement.marked")
        return len(orders)

    def _by_partition(self, orders: Sequence[StoredOrder]) -> dict[int, list[NewRecord]]:
        """Records per partition; within one they keep their sequence."""
        records: defaultdict[int, list[NewRecord]] = defaultdict(list)
        for order in orders:
            partition = order_partition(order.id, TOPICS[PAYOUTS].partitions)
            headers = self._tracing.headers(order) if self._tracing is not None else ()
            records[partition].append(NewRecord(order.id.encode(), order.body, headers))
        return records
