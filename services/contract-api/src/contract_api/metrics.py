"""Every metric that is contract-api's alone; those of HTTP, loops, follower and outbox are the library's."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

NEW: Final = "new"
REPLAYED: Final = "replayed"
IN_PROGRESS: Final = "in_progress"
MISMATCH: Final = "mismatch"


class Metrics:
    """One registry for the service; the shared parts join it by themselves."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self.idempotency: Final = Counter(
            "sps_idempotency_results_total",
            "Requests with a key: new, replayed, in progress, or the key was another request's",
            ("result",),
            registry=self.registry,
        )
        for result in (NEW, REPLAYED, IN_PROGRESS, MISMATCH):
            self.idempotency.labels(result)
