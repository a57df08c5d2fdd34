"""Metrics: one registry per service, prefix `sps_`, labels whose values are known when it is deployed.

Never a label: merchant, contract, payment, key, person, address, raw path, error text.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

HTTP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.3, 0.5, 1, 2.5, 5, 10)
"""Seconds; 0.3 is the objective of the API."""
DB_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
AGE_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

Readiness = Callable[[], Mapping[str, bool]]
"""Each dependency by its name, and whether it is up."""


class HttpMetrics:
    """Rate, errors and duration of a server, by route template."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "code")
        self.requests: Final = Counter(
            "sps_http_requests_total", "Requests answered", labels, registry=registry
        )
        self.duration: Final = Histogram(
            "sps_http_request_duration_seconds",
            "Time to the last byte of the answer",
            ("method", "route"),
            buckets=HTTP_BUCKETS,
            registry=registry,
        )
        self.in_flight: Final = Gauge(
            "sps_http_requests_in_flight", "Requests being answered", registry=registry
        )


class LoopMetrics:
    """A dead background task is the classic silent failure; so it is counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.crashed: Final = Counter(
            "sps_tasks_crashed_total", "Background loops stopped by a defect", ("task",), registry=registry
        )
        self.troubled: Final = Counter(
            "sps_tasks_troubled_total", "Rounds that failed and are tried again", ("task",), registry=registry
        )


class FollowerMetrics:
    """How far the chain is projected, and what was wrong with what the log brought."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.height: Final = Gauge(
            "sps_projection_position", "Height of the newest projected block", registry=registry
        )
        self.lag: Final = Gauge(
            "sps_projection_lag_blocks", "Verified blocks that are not projected yet", registry=registry
        )
        self.refused: Final = Counter(
            "sps_follower_refused_total",
            "Records of the log that prove nothing",
            ("what",),
            registry=registry,
        )
        self.fetched: Final = Counter(
            "sps_follower_fetched_total", "Objects fetched from validators", ("what",), registry=registry
        )
        self._shown: Final[dict[tuple[str, str], int]] = {}
        self.show("refused", block=0, batch=0)
        self.show("fetched", block=0, batch=0)

    def show(self, name: Literal["refused", "fetched"], *, block: int, batch: int) -> None:
        """Bring a counter to a reader's own count, which begins at 0 with each reader."""
        counter = self.refused if name == "refused" else self.fetched
        for what, count in (("block", block), ("batch", batch)):
            before = self._shown.get((name, what), 0)
            counter.labels(what).inc(count - before if count >= before else count)
            self._shown[name, what] = count


class OutboxMetrics:
    """The most useful money alarm: facts that wait to be sent."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batches: Final = Counter("sps_outbox_batches_total", "Batches sealed", registry=registry)
        self.resent: Final = Counter("sps_outbox_resent_total", "Batches appended again", registry=registry)
        self.unconfirmed: Final = Gauge(
            "sps_outbox_unconfirmed", "Batches sealed and not seen in a block", registry=registry
        )
        self.waiting: Final = Gauge("sps_outbox_pending", "Facts not sealed yet", registry=registry)
        self.adopted: Final = Gauge(
            "sps_outbox_adopted_batches", "Foreign batches ordered under our numbers", registry=registry
        )


def metrics_router(registry: CollectorRegistry) -> APIRouter:
    """`GET /metrics`. Mount it on a port that the public does not reach."""
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def health_router(ready: Readiness, alive: Callable[[], Awaitable[bool]] | None = None) -> APIRouter:
    """`GET /health/live` (the loop turns; nothing external) and `GET /health/ready` (dependencies)."""
    router = APIRouter()

    @router.get("/health/live", include_in_schema=False)
    async def live() -> Response:
        well = alive is None or await alive()
        return JSONResponse({"live": well}, 200 if well else 503)

    @router.get("/health/ready", include_in_schema=False)
    def readiness() -> Response:
        dependencies = dict(ready())
        well = all(dependencies.values())
        return JSONResponse({"ready": well, "dependencies": dependencies}, 200 if well else 503)

    return router
