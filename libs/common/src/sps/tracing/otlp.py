"""Spans to a collector by OTLP over HTTP, in the background: whoever records waits for nothing and nobody.

The only module that knows OpenTelemetry. A collector that is dead or mute costs spans, which are counted,
and at the end of the process at most `STOP_S`.
"""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from typing import Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from sps.tracing import context
from sps.tracing.meter import TraceMeter
from sps.tracing.span import Span

QUEUE_MAX: Final = 4_096
"""Spans that wait; what comes on top is dropped."""
EXPORT_MAX: Final = 512
"""Spans of one request."""
EVERY_S: Final = 1.0
"""How long the first span waits for company."""
EXPORT_S: Final = 3.0
"""One export with its repetitions; then its spans are lost."""
STOP_S: Final = 1.0
"""How long the end of the process may be held up."""
PATH: Final = "v1/traces"
_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
_KINDS: Final = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_SCOPE: Final = InstrumentationScope("sps.tracing")


class OtlpTracer:
    """`Tracer`. `endpoint`: the collector's base URL, such as `http://127.0.0.1:4318`."""

    on = True

    def __init__(self, endpoint: str, *, service: str, version: str, share: float, meter: TraceMeter) -> None:
        self._share: Final = share
        self._meter: Final = meter
        self._resource: Final = Resource({"service.name": service, "service.version": version})
        self._exporter: Final = _Counting(_exporter(endpoint), meter)
        self._processor: Final = BatchSpanProcessor(
            self._exporter,
            max_queue_size=QUEUE_MAX,
            max_export_batch_size=EXPORT_MAX,
            schedule_delay_millis=EVERY_S * _MS_PER_S,
            export_timeout_millis=EXPORT_S * _MS_PER_S,
        )
        self._stopped = False

    def wants(self, trace: bytes) -> bool:
        return context.is_sampled(trace, self._share)

    def record(self, span: Span) -> None:
        if self._stopped or not self._exporter.admit(QUEUE_MAX):
            self._meter.ended("dropped", 1)
            return
        self._processor.on_end(_readable(span, self._resource))

    def malformed(self, topic: str) -> None:
        self._meter.malformed(topic)

    async def stop(self) -> None:
        """What waits is sent within `STOP_S`, or lost; the thread that sends is nobody's to wait for."""
        if self._stopped:
            return
        self._stopped = True
        done, loop = asyncio.Event(), asyncio.get_running_loop()

        def finish() -> None:
            self._processor.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=finish, name="traces-end", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await done.wait()


class _Counting(SpanExporter):
    """Counts what waits and what became of it, around the real exporter."""

    def __init__(self, exporter: SpanExporter, meter: TraceMeter) -> None:
        self._exporter: Final = exporter
        self._meter: Final = meter
        self._lock: Final = threading.Lock()
        self._waiting = 0

    def admit(self, most: int) -> bool:
        """Take a place for one more span, if there is one."""
        with self._lock:
            if self._waiting >= most:
                return False
            self._waiting += 1
            return True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            with self._lock:
                self._waiting -= len(spans)
            self._meter.ended("sent" if result is SpanExportResult.SUCCESS else "failed", len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _exporter(endpoint: str) -> OTLPSpanExporter:
    session = requests.Session()
    session.trust_env = False  # a proxy of the environment is for other things
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/{PATH}", timeout=EXPORT_S, session=session)


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=_context(span.context),
        parent=_context(span.parent) if span.parent else None,
        resource=resource,
        attributes=dict(span.attributes),
        links=[Link(_context(each)) for each in span.links],
        kind=_KINDS[span.kind],
        instrumentation_scope=_SCOPE,
        status=Status(StatusCode.ERROR, span.failed) if span.failed else Status(),
        start_time=span.began_ms * _NS_PER_MS,
        end_time=max(span.began_ms, span.ended_ms) * _NS_PER_MS,
    )


def _context(place: context.SpanContext) -> SpanContext:
    return SpanContext(
        trace_id=int.from_bytes(place.trace, "big"),
        span_id=int.from_bytes(place.span, "big"),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
