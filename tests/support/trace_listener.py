"""A tracer that keeps what it hears."""

from sps.tracing.span import Span


class Listener:
    """`Tracer`; it wants every trace."""

    on = True

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bad: list[str] = []

    def wants(self, trace: bytes) -> bool:
        return True

    def record(self, span: Span) -> None:
        self.spans.append(span)

    def malformed(self, topic: str) -> None:
        self.bad.append(topic)

    async def stop(self) -> None:
        pass
