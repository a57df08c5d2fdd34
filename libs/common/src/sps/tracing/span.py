"""A span as the services say it, and the port to whoever takes it."""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from sps.tracing.context import SpanContext

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int


class Span(Struct, frozen=True, kw_only=True):
    """One thing that was done. Times in Unix milliseconds; said once it is over."""

    context: SpanContext
    name: str
    """Of few different ones: a name never holds an identifier."""
    kind: Kind
    began_ms: int
    ended_ms: int
    parent: SpanContext | None = None
    """Of the same trace."""
    links: tuple[SpanContext, ...] = ()
    """Further causes, or places in other traces where the same thing is told."""
    attributes: Mapping[str, Value] = {}
    failed: str = ""
    """A stable code when it went wrong."""


class Tracer(Protocol):
    """Never waits and never raises; what does not fit is dropped and counted."""

    @property
    def on(self) -> bool:
        """Somebody listens; else the other methods need not be called."""

    def wants(self, trace: bytes) -> bool:
        """The trace belongs to the share that is recorded."""

    def record(self, span: Span) -> None:
        """Take a span of a trace that is wanted."""

    def malformed(self, topic: str) -> None:
        """A record of this topic had a header that is none."""

    async def stop(self) -> None:
        """Send what waits, within a bound; harmless when repeated."""


class NoTracer:
    """Nobody listens."""

    on = False

    def wants(self, trace: bytes) -> bool:  # noqa: ARG002 the port's
        return False

    def record(self, span: Span) -> None:
        """Dropped."""

    def malformed(self, topic: str) -> None:
        """Not counted."""

    async def stop(self) -> None:
        """There is nothing to end."""


NO_TRACER = NoTracer()
