"""Identifiers follow from names; a header is read in its one spelling or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import INVALID_SPAN
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sps.tracing.context import (
    TRACEPARENT_BYTES,
    BadTraceparent,
    SpanContext,
    context_in,
    headers_of,
    is_sampled,
    span_of,
    trace_of,
)

GOOD = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
IDS = st.binary(min_size=1, max_size=40).map(bytes.hex)


def test_a_story_has_the_same_trace_everywhere_and_for_ever():
    assert trace_of("ctr_01m854n1tve9srm320mfvfnyne").hex() == "0fbc7264e0f3c858a2dde13eb7c7a8a1"


@given(IDS, IDS)
def test_two_stories_have_two_traces_and_two_names_two_spans(one, other):
    assert (trace_of(one) == trace_of(other)) == (one == other)
    trace = trace_of(one)
    assert (span_of(trace, one) == span_of(trace, other)) == (one == other)
    assert span_of(trace, "x").trace == trace
    assert span_of(trace_of(one + other), "x").span != span_of(trace, "x").span


@given(IDS)
def test_what_is_written_reads_back_also_by_others(story):
    context = span_of(trace_of(story), "x")
    (header,) = headers = headers_of(context)
    assert len(header[1]) == TRACEPARENT_BYTES
    assert context_in([("other", b"x"), *headers]) == context
    carrier = {name: value.decode() for name, value in headers}
    from opentelemetry.trace import get_current_span

    theirs = get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
    assert theirs.trace_id.to_bytes(16, "big") == context.trace
    assert theirs.span_id.to_bytes(8, "big") == context.span
    assert theirs.trace_flags.sampled
    assert theirs != INVALID_SPAN.get_span_context()


def test_who_says_nothing_claims_nothing():
    assert context_in([]) is None
    assert context_in([("tracestate", GOOD)]) is None
    assert context_in([("traceparent", GOOD)]) == SpanContext(
        bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), bytes.fromhex("b7ad6b7169203331")
    )


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        GOOD + b"-extra",
        GOOD + b"0" * 100_000,
        b"01" + GOOD[2:],
        b"ff" + GOOD[2:],
        GOOD.upper(),
        GOOD.replace(b"-", b"_"),
        GOOD[:-1] + b"\n",
        b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-" + b"0" * 16 + b"-01",
        bytes(55),
        GOOD[:3] + "\u0660".encode() * 16 + GOOD[35:],
    ],
)
def test_a_header_that_is_none_is_refused(value):
    with pytest.raises(BadTraceparent):
        context_in([("traceparent", value)])


def test_two_headers_are_none():
    with pytest.raises(BadTraceparent):
        context_in([("traceparent", GOOD), ("traceparent", GOOD)])


@given(st.binary(min_size=16, max_size=16), st.floats(min_value=0, max_value=1))
def test_the_share_is_drawn_as_opentelemetry_draws_it(trace, share):
    theirs = TraceIdRatioBased(share).should_sample(None, int.from_bytes(trace, "big"), "x").decision
    assert is_sampled(trace, share) == (theirs is Decision.RECORD_AND_SAMPLE)


def test_all_and_none_are_what_they_say():
    traces = [trace_of(str(number)) for number in range(2_000)]
    assert all(is_sampled(trace, 1.0) for trace in traces)
    assert not any(is_sampled(trace, 0.0) for trace in traces)
    assert 150 < sum(is_sampled(trace, 0.1) for trace in traces) < 250
