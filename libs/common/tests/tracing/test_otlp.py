"""Spans arrive as they were said; a collector that is dead or mute costs spans and never time."""

import asyncio
import socket
import threading
import time

import pytest
from otlp_collector import collector
from prometheus_client import CollectorRegistry

from sps.runtime.metrics import TraceMetrics
from sps.tracing import names, otlp
from sps.tracing.context import span_of, trace_of
from sps.tracing.otlp import STOP_S, OtlpTracer
from sps.tracing.span import NO_TRACER, Span

TRACE = trace_of("ctr_1")
SLACK_S = 2.0
"""What a busy machine may add to a bound."""


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(otlp, "EVERY_S", 0.05)
    monkeypatch.setattr(otlp, "EXPORT_S", 2.0)


@pytest.fixture(autouse=True)
def _nothing_is_left_to_the_next_test():
    """A thread that still tries to send draws random numbers in the middle of somebody else's test."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(2.0 + SLACK_S)
        assert not thread.is_alive(), thread.name


class Desk:
    """A tracer and what it counts."""

    def __init__(self, endpoint: str, share: float = 1.0) -> None:
        self.registry = CollectorRegistry()
        metrics = TraceMetrics(self.registry)
        self.tracer = OtlpTracer(endpoint, service="settlement", version="1", share=share, meter=metrics)

    def count(self, result: str) -> float:
        return self.registry.get_sample_value("sps_trace_spans_total", {"result": result}) or 0.0

    async def stopped_s(self) -> float:
        began = time.monotonic()
        await self.tracer.stop()
        return time.monotonic() - began


def span(name: str = "order payout", **more) -> Span:
    context = span_of(TRACE, name)
    return Span(context=context, name=name, kind="producer", began_ms=1_000, ended_ms=1_250, **more)


def closed_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


async def test_a_span_arrives_as_it_was_said():
    parent, link = span_of(TRACE, "parent"), span_of(trace_of("ctr_2"), "link")
    with collector() as there:
        desk = Desk(there.url)
        told = {names.STORY: "ctr_1", names.HEIGHT: 7}
        desk.tracer.record(span(parent=parent, links=(link,), attributes=told, failed="NO_FUNDS"))
        await desk.tracer.stop()
        await there.until(lambda spans: len(spans) == 1, otlp.EXPORT_S)
        (came,) = there.spans
    own = span().context
    assert (came.service, came.name, came.trace, came.id) == (
        "settlement",
        "order payout",
        own.trace.hex(),
        own.span.hex(),
    )
    assert (came.parent, came.links) == (parent.span.hex(), ((link.trace.hex(), link.span.hex()),))
    assert (came.began_ns, came.ended_ns, came.attributes) == (1_000_000_000, 1_250_000_000, told)
    assert (desk.count("sent"), desk.count("failed"), desk.count("dropped")) == (1, 0, 0)


async def test_it_is_sent_without_being_asked_to():
    with collector() as there:
        desk = Desk(there.url)
        desk.tracer.record(span())
        await there.until(lambda spans: len(spans) == 1, otlp.EVERY_S + 2)
        await desk.tracer.stop()


async def test_a_dead_collector_delays_nobody_and_its_spans_are_counted():
    desk = Desk(f"http://127.0.0.1:{closed_port()}")
    began = time.monotonic()
    for _ in range(1_000):
        desk.tracer.record(span())
    assert time.monotonic() - began < otlp.EXPORT_S, "the first export has not even ended"
    assert await desk.stopped_s() < STOP_S + SLACK_S
    async with asyncio.timeout(otlp.EXPORT_S + SLACK_S):
        while desk.count("failed") < 1:  # noqa: ASYNC110 counted by another thread
            await asyncio.sleep(0.02)
    assert desk.count("sent") == 0


@pytest.mark.parametrize("accepts", [True, False], ids=["accepts-and-says-nothing", "does-not-accept"])
async def test_a_mute_collector_delays_the_end_by_no_more_than_the_bound(accepts):
    with socket.create_server(("127.0.0.1", 0), backlog=1) as mute:
        if not accepts:
            fill = [socket.create_connection(mute.getsockname()) for _ in range(2)]
        desk = Desk(f"http://127.0.0.1:{mute.getsockname()[1]}")
        desk.tracer.record(span())
        await asyncio.sleep(otlp.EVERY_S + 0.2)  # by now it is being sent
        began = time.monotonic()
        desk.tracer.record(span())
        assert time.monotonic() - began < STOP_S
        took_s = await desk.stopped_s()
        if not accepts:
            for each in fill:
                each.close()
    assert STOP_S * 0.9 < took_s < STOP_S + SLACK_S
    assert desk.count("sent") == 0


async def test_what_finds_no_room_is_dropped_and_counted(monkeypatch):
    monkeypatch.setattr(otlp, "QUEUE_MAX", 10)
    monkeypatch.setattr(otlp, "EXPORT_MAX", 10)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        desk = Desk(f"http://127.0.0.1:{mute.getsockname()[1]}")
        for _ in range(25):
            desk.tracer.record(span())
        assert desk.count("dropped") == 15
        await desk.tracer.stop()
        desk.tracer.record(span())
        assert desk.count("dropped") == 16


async def test_the_share_decides_by_the_trace():
    desk = Desk("http://127.0.0.1:9", share=0.5)
    wanted = [desk.tracer.wants(trace_of(str(number))) for number in range(200)]
    assert 60 < sum(wanted) < 140
    await desk.tracer.stop()


async def test_nobody_listens_unless_asked():
    assert not NO_TRACER.on
    assert not NO_TRACER.wants(TRACE)
    NO_TRACER.record(span())
    await NO_TRACER.stop()
