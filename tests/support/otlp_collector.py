"""A small OpenTelemetry collector in the test's process: takes OTLP over HTTP and keeps the spans."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

POLL_S: Final = 0.05


class Seen(Struct, frozen=True):
    """A span as it came over the wire. Identifiers in hex."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any]


class Collector:
    """`url` is what services are told."""

    def __init__(self, url: str) -> None:
        self.url: Final = url
        self.spans: Final[list[Seen]] = []

    def of_trace(self, trace: str) -> list[Seen]:
        return [span for span in self.spans if span.trace == trace]

    async def whole(self, trace: str, last: str, limit_s: float) -> "Trace":
        """The trace, once somebody has said the span named `last`, and no parent and no link leads nowhere."""
        await self.until(lambda spans: not self._missing(trace, last), limit_s)
        return Trace(self.of_trace(trace))

    def _missing(self, trace: str, last: str) -> set[tuple[str, str]]:
        """Places that are named and not here yet: each process sends by itself, when its time has come."""
        mine = self.of_trace(trace)
        if not any(span.name == last for span in mine):
            return {(trace, last)}
        named = {(trace, span.parent) for span in mine if span.parent}
        named |= {link for span in mine for link in span.links}
        return named - {(span.trace, span.id) for span in self.spans}

    async def until(self, holds: Any, limit_s: float) -> None:
        """Return when `holds(spans)`; fail with what has come."""
        end = asyncio.get_running_loop().time() + limit_s
        while not holds(self.spans):
            came = sorted({(span.service, span.name) for span in self.spans})
            assert asyncio.get_running_loop().time() < end, came
            await asyncio.sleep(POLL_S)

    def take(self, raw: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans.extend(_seen(names["service.name"], span) for span in scope.spans)


class Trace:
    """The spans of one trace as a tree."""

    def __init__(self, spans: list[Seen]) -> None:
        self.spans = spans
        self.by_id = {span.id: span for span in spans}

    def one(self, name: str, **attributes: str) -> Seen:
        found = [span for span in self.spans if span.name == name and _fits(span, attributes)]
        assert len(found) == 1, (name, attributes, [span.attributes for span in found])
        return found[0]

    def line(self, span: Seen) -> list[str]:
        """Names from the root to the span."""
        above = self.by_id.get(span.parent)
        return [*(self.line(above) if above else []), span.name]


def _fits(span: Seen, attributes: dict[str, str]) -> bool:
    return all(span.attributes.get(f"sps.{name}") == value for name, value in attributes.items())


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens until the end of the block."""
    found: list[Collector] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            found[0].take(self.rfile.read(int(self.headers["content-length"])))
            body = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.append(Collector(f"http://127.0.0.1:{server.server_address[1]}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found[0]
    finally:
        server.shutdown()
        server.server_close()


def _seen(service: str, span: Any) -> Seen:
    return Seen(
        service,
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes},
    )
