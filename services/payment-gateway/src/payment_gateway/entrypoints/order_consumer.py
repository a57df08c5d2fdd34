"""Reads settlement's orders, partition by partition, each record once and in order."""

from collections.abc import Callable
from functools import partial
from typing import Final

from payment_gateway.application.orders import TakeOrders
from payment_gateway.application.payment_tracing import PaymentTracing
from payment_gateway.application.register import OrderRegister, Position
from sps.eventlog.port import EventLog, OffsetGone, Record
from sps.eventlog.topics import PAYOUTS, TOPICS
from sps.runtime.lifecycle import Supervisor
from sps.transactions.orders import decode_order

READ_MAX: Final = 100
READ_WAIT_S: Final = 1.0


class OrderConsumer:
    """One loop per partition; the offset is kept with what came of the record."""

    def __init__(
        self,
        log: EventLog,
        register: OrderRegister,
        take: TakeOrders,
        taken: Callable[[], None],
        tracing: PaymentTracing | None = None,
    ) -> None:
        self._log = log
        self._register = register
        self._take = take
        self._taken = taken
        self._tracing = tracing

    def start(self, supervisor: Supervisor) -> None:
        """Read all partitions in the background."""
        for partition in range(TOPICS[PAYOUTS].partitions):
            supervisor.run(f"orders-{partition}", partial(self._run, partition))

    async def _begin(self, partition: int) -> int:
        """Where we were, unless the log ends before it: then it is another log, all of it new to us."""
        following = await self._register.next_offset(partition)
        start, end = await self._log.bounds(PAYOUTS, partition)
        return following if following <= end else start

    async def _run(self, partition: int) -> None:
        """The register is asked for the offset once; after trouble the loop begins anew and asks again."""
        following = await self._begin(partition)
        while True:
            try:
                records = await self._log.read(
                    PAYOUTS, partition, following, limit=READ_MAX, wait_s=READ_WAIT_S
                )
            except OffsetGone as gone:  # trimmed, or another log: orders prove themselves, repeats are known
                following = gone.start
                continue
            for record in records:
                if await self._take.take(Position(partition, record.offset), record.value):
                    self._taken()
                    self._trace(record)
                following = record.offset + 1

    def _trace(self, record: Record) -> None:
        """Of a record that was taken: it is a signed order, so it can be read."""
        if self._tracing is not None:
            self._tracing.taken(record, decode_order(record.value).order.id)
