"""Every metric of contract-api: it has none of its own beside those of HTTP, loops, follower and outbox."""

from typing import Final

from prometheus_client import CollectorRegistry


class Metrics:
    """One registry for the service; the shared parts join it by themselves."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
