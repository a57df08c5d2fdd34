"""What settlement says about an order when traces are on: from its fold to the log."""

from collections.abc import Sequence
from typing import Final

from settlement.application.ports import StoredOrder
from sps.eventlog.topics import PAYOUTS
from sps.runtime.chain_tracing import ChainTracing, wall_ms
from sps.tracing import names
from sps.tracing.context import Headers, headers_of, trace_of
from sps.tracing.span import Span
from sps.transactions.orders import Order, decode_order


class OrderTracing:
    """Only made when the tracer is on."""

    def __init__(self, chain: ChainTracing) -> None:
        self._chain: Final = chain

    def headers(self, order: StoredOrder) -> Headers:
        """The headers of the order's record."""
        return headers_of(names.ordered(self._trace(order.id), order.id))

    def published(self, orders: Sequence[StoredOrder], began_ms: int) -> None:
        """These orders are on the log."""
        ended_ms = wall_ms()
        for stored in orders:
            if self._chain.tracer.wants(self._trace(stored.id)):
                self._chain.tracer.record(self._span(decode_order(stored.body).order, began_ms, ended_ms))

    def _trace(self, order: str) -> bytes:
        return trace_of(self._chain.stories.of(order))

    def _span(self, order: Order, began_ms: int, ended_ms: int) -> Span:
        story = self._chain.stories.of(order.id)
        trace = trace_of(story)
        return Span(
            context=names.ordered(trace, order.id),
            parent=names.projected(trace, self._chain.service, order.height, order.index),
            name=f"order {order.kind}",
            kind="producer",
            began_ms=began_ms,
            ended_ms=ended_ms,
            links=tuple(
                names.receipt(trace_of(each.contract), each.height, each.index)
                for each in self._chain.stories.behind(order.id)
            ),
            attributes={
                names.STORY: story,
                names.ORDER: order.id,
                names.KIND: order.kind,
                names.PROVIDER: order.provider,
                names.SYSTEM: names.OUR_SYSTEM,
                names.DESTINATION: PAYOUTS,
                names.OPERATION: "send",
            },
        )
