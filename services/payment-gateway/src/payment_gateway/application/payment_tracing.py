"""What the gateway says when traces are on: callbacks, payments, orders from the topic to the answer.

No account, no name and no address: a payment and an order are known by our own identifiers.
"""

from typing import Final

from payment_gateway.application.ports import Hint
from payment_gateway.application.register import OrderRow, PaymentRow, StoredCallback
from sps.eventlog.port import Record
from sps.runtime.chain_tracing import ChainTracing, wall_ms
from sps.tracing import names
from sps.tracing.context import BadTraceparent, SpanContext, context_in, span_of, trace_of
from sps.tracing.span import Kind, Span, Value


class PaymentTracing:
    """Only made when the tracer is on."""

    def __init__(self, chain: ChainTracing) -> None:
        self._chain: Final = chain

    def called_back(self, stored: StoredCallback, hint: Hint, contract: str) -> None:
        """A callback was translated; `contract`: of the payment that it is about."""
        story = contract or self._chain.stories.of(hint.subject)
        trace = trace_of(story)
        about = names.paying if hint.kind == "payment" else names.taken
        self._say(
            span_of(trace, "callback", str(stored.id)),
            f"webhook {stored.provider}",
            "server",
            (stored.callback.received_ms, wall_ms()),
            {names.STORY: story, names.SUBJECT: hint.subject, names.PROVIDER: stored.provider},
            about(trace, hint.subject),
        )

    def paid(self, row: PaymentRow, facts: int, state: str) -> None:
        """It is known what became of a buyer's payment: from the pay page until now."""
        trace = trace_of(row.contract)
        told: dict[str, Value] = {
            names.STORY: row.contract,
            names.SUBJECT: row.id,
            names.PROVIDER: row.provider,
            names.FACTS: facts,
            names.STEP: state,
        }
        times = (row.created_ms, wall_ms())
        self._say(names.paying(trace, row.id), f"payment {row.provider}", "client", times, told, None)

    def taken(self, record: Record, order: str) -> None:
        """An order was taken from the topic."""
        story = self._chain.stories.of(order)
        trace = trace_of(story)
        hint = self._claimed(record)
        self._say(
            names.taken(trace, order),
            "take order",
            "consumer",
            (record.time_ms, wall_ms()),
            {
                names.STORY: story,
                names.ORDER: order,
                names.SYSTEM: names.OUR_SYSTEM,
                names.DESTINATION: record.topic,
                names.PARTITION: str(record.partition),
                names.OPERATION: "process",
            },
            names.ordered(trace, order),
            (hint,) if hint else (),
        )

    def carried_out(self, row: OrderRow, step: str, began_ms: int) -> None:
        """A call to the provider for an order ended."""
        story = self._chain.stories.of(row.id)
        trace = trace_of(story)
        told: dict[str, Value] = {
            names.STORY: story,
            names.ORDER: row.id,
            names.PROVIDER: row.provider,
            names.STEP: step,
            names.ATTEMPT: row.machine.attempt,
        }
        self._say(
            span_of(trace, "call", row.id, str(row.machine.fence)),
            f"{row.kind} {row.provider}",
            "client",
            (began_ms, wall_ms()),
            told,
            names.taken(trace, row.id),
        )

    def _claimed(self, record: Record) -> SpanContext | None:
        try:
            return context_in(record.headers)
        except BadTraceparent:
            self._chain.tracer.malformed(record.topic)
            return None

    def _say(
        self,
        context: SpanContext,
        name: str,
        kind: Kind,
        times: tuple[int, int],
        told: dict[str, Value],
        parent: SpanContext | None,
        links: tuple[SpanContext, ...] = (),
    ) -> None:
        if told[names.STORY] and self._chain.tracer.wants(context.trace):
            began_ms, ended_ms = times
            span = Span(
                context=context, name=name, kind=kind, began_ms=began_ms, ended_ms=ended_ms, parent=parent,
                links=links, attributes=told,
            )  # fmt: skip
            self._chain.tracer.record(span)
