"""Publishes the orders that the fold has written. A crash in between publishes again, the same bytes."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from settlement.application.ports import OrderRegister, StoredOrder
from settlement.metrics import OrderMetrics
from sps.eventlog.port import EventLog, NewRecord
from sps.eventlog.topics import PAYOUTS, TOPICS
from sps.runtime.probe import Probe, no_probe
from sps.transactions.orders import order_partition

ROUND_MAX: Final = 200
"""Orders of one round; with 4 KiB each they stay far below what one append may hold."""


class PublishOrders:
    """First the log, then the mark: an order is published at least once, and its reader takes it once."""

    def __init__(
        self, register: OrderRegister, log: EventLog, metrics: OrderMetrics, probe: Probe = no_probe
    ) -> None:
        self._register: Final = register
        self._log: Final = log
        self._metrics: Final = metrics
        self._probe: Final = probe
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
        for partition, records in _by_partition(orders).items():
            await self._log.append(PAYOUTS, partition, records)
            self._metrics.published.inc(len(records))
        self._probe("settlement.published")
        await self._register.mark(orders)
        self._probe("settlement.marked")
        return len(orders)


def _by_partition(orders: Sequence[StoredOrder]) -> dict[int, list[NewRecord]]:
    """Records per partition; within one they keep their sequence."""
    records: defaultdict[int, list[NewRecord]] = defaultdict(list)
    for order in orders:
        partition = order_partition(order.id, TOPICS[PAYOUTS].partitions)
        records[partition].append(NewRecord(order.id.encode(), order.body))
    return records
