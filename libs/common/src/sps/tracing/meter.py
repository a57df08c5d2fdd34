"""What a tracer tells about itself; whoever counts it is above."""

from typing import Literal, Protocol

SpanEnd = Literal["sent", "dropped", "failed"]


class TraceMeter(Protocol):
    """Called from any thread."""

    def ended(self, result: SpanEnd, spans: int) -> None:
        """So many spans were sent, dropped because too many wait, or lost with an export that failed."""

    def malformed(self, topic: str) -> None:
        """A record's `traceparent` was none."""
