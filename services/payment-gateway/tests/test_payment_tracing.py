"""What the header of an order's record claims never becomes a parent."""

import pytest
from trace_listener import Listener

from payment_gateway.application.payment_tracing import PaymentTracing
from sps.eventlog.port import Record
from sps.eventlog.topics import PAYOUTS
from sps.runtime.chain_tracing import ChainTracing
from sps.tracing import names
from sps.tracing.context import headers_of, span_of, trace_of

ORDER = "pyo_1"
TRACE = trace_of(ORDER)
FOREIGN = span_of(trace_of("somebody's"), "span")


@pytest.mark.parametrize(
    ("headers", "links", "bad"),
    [
        ((), (), []),
        (headers_of(names.ordered(TRACE, ORDER)), (names.ordered(TRACE, ORDER),), []),
        (headers_of(FOREIGN), (FOREIGN,), []),
        ((("traceparent", b"x" * 60_000),), (), [PAYOUTS]),
    ],
    ids=["none", "settlement's", "a-stranger's", "no-traceparent"],
)
def test_an_order_is_taken_below_the_span_that_follows_from_it(headers, links, bad):
    listener = Listener()
    PaymentTracing(ChainTracing(listener, "payment_gateway")).taken(
        Record(PAYOUTS, 0, 0, b"", b"", 1_000, headers), ORDER
    )
    (span,) = listener.spans
    assert (span.parent, span.links, listener.bad) == (names.ordered(TRACE, ORDER), links, bad)
