"""Metrics: one registry per service, prefix `sps_`, labels whose values are known when it is deployed.

Never a label: merchant, contract, payment, key, person, address, raw path, error text.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from sps.eventlog.meter import LogResult
from sps.eventlog.topics import BLOCKS, TOPICS
from sps.tracing.meter import SpanEnd

HTTP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.3, 0.5, 1, 2.5, 5, 10)
"""Seconds; 0.3 is the objective of the API."""
DB_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
LAG_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
AGE_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

SPAN_ENDS: Final[tuple[SpanEnd, ...]] = ("sent", "dropped", "failed")
LOG_RESULTS: Final[tuple[LogResult, ...]] = ("ok", "trouble", "refused")

Readiness = Callable[[], Mapping[str, bool]]
"""Each dependency by its name, and whether it is up."""


class ProcessMetrics:
    """What every process says about itself; the library adds `process_…` (CPU, memory, files, start)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        self.build: Final = Gauge(
            "sps_build_info",
            "1, with what was built and what it runs on",
            ("version", "commit", "python"),
            registry=registry,
        )
        self.ready: Final = Gauge("sps_ready", "1 when it takes work", registry=registry)
        self.up: Final = Gauge(
            "sps_dependency_up", "1 when the dependency can be used", ("dependency",), registry=registry
        )
        self.lag: Final = Histogram(
            "sps_event_loop_lag_seconds",
            "How late the loop woke up a task that had slept",
            buckets=LAG_BUCKETS,
            registry=registry,
        )


class DatabaseMetrics:
    """The pool, whenever somebody looks, and what the tables look like."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections: Final = Gauge(
            "sps_db_pool_connections",
            "Connections by state; overflow: those in use beyond the pool's size",
            ("state",),
            registry=registry,
        )
        self._revision: Final = Gauge(
            "sps_db_schema_revision_info",
            "1, with the revision of the tables",
            ("revision",),
            registry=registry,
        )
        self.queries: Final = Histogram(
            "sps_db_query_duration_seconds",
            "Named questions to the database, with the wait for a connection; probe: asked every few seconds",
            ("operation",),
            buckets=DB_BUCKETS,
            registry=registry,
        )

    def watch(self, pool: Callable[[], Mapping[str, int]]) -> None:
        """`pool` tells the connections by state."""
        for state in pool():
            self.connections.labels(state).set_function(partial(_member, pool, state))

    def revision(self, revision: str) -> None:
        """The tables are at this revision."""
        self._revision.clear()
        self._revision.labels(revision).set(1)


def _member(pool: Callable[[], Mapping[str, int]], state: str) -> int:
    return pool()[state]


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
        self._age: Final = Gauge(
            "sps_projection_age_seconds", "Time since the block time of what is projected", registry=registry
        )
        self._events: Final = Histogram(
            "sps_event_age_seconds",
            "From the time in a block's header until what it means is committed here; the newest of a commit",
            ("topic",),
            buckets=AGE_BUCKETS,
            registry=registry,
        )
        self._events.labels(BLOCKS)
        self._seconds: Callable[[], float] | None = None
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

    def measure_age(self, seconds: Callable[[], float]) -> None:
        """Ask for the age whenever somebody looks."""
        self._age.set_function(seconds)
        self._seconds = seconds

    def committed(self) -> None:
        """What the newest block means is committed."""
        if self._seconds is not None:
            self._events.labels(BLOCKS).observe(max(0.0, self._seconds()))

    def show(self, name: Literal["refused", "fetched"], *, block: int, batch: int) -> None:
        """Bring a counter to a reader's own count, which begins at 0 with each reader."""
        counter = self.refused if name == "refused" else self.fetched
        for what, count in (("block", block), ("batch", batch)):
            before = self._shown.get((name, what), 0)
            counter.labels(what).inc(count - before if count >= before else count)
            self._shown[name, what] = count


class LogMetrics:
    """What a log on Kafka tells (`sps.eventlog.meter`). Topics by their names in the table."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._published: Final = Counter(
            "sps_events_published_total", "Records appended", ("topic", "result"), registry=registry
        )
        self._duration: Final = Histogram(
            "sps_event_publish_duration_seconds",
            "Time until an append was durable, or given up",
            ("topic",),
            buckets=HTTP_BUCKETS,
            registry=registry,
        )
        self._lag: Final = Gauge(
            "sps_consumer_lag_records",
            "Records before a reader, counted from where it reads",
            ("topic", "partition"),
            registry=registry,
        )
        self._reset: Final = Counter(
            "sps_event_log_resets_total",
            "Partitions that lost records which were there: truncated, or another one now",
            ("topic",),
            registry=registry,
        )
        self._unreadable: Final = Counter(
            "sps_event_log_unreadable_total",
            "Records passed over because they are no records",
            ("topic",),
            registry=registry,
        )
        self._unreachable: Final = Gauge(
            "sps_event_log_unreachable",
            "1 while a reader has no broker",
            ("topic", "partition"),
            registry=registry,
        )
        for topic in TOPICS:
            self._begin(topic)

    def _begin(self, topic: str) -> None:
        for result in LOG_RESULTS:
            self._published.labels(topic, result)
        self._reset.labels(topic)
        self._unreadable.labels(topic)

    def published(self, topic: str, result: LogResult, records: int, seconds: float) -> None:
        self._published.labels(topic, result).inc(records)
        self._duration.labels(topic).observe(seconds)

    def lag(self, topic: str, partition: int, records: int) -> None:
        self._lag.labels(topic, str(partition)).set(records)

    def reset(self, topic: str) -> None:
        self._reset.labels(topic).inc()

    def unreadable(self, topic: str, records: int) -> None:
        self._unreadable.labels(topic).inc(records)

    def unreachable(self, topic: str, partition: int, lost: bool) -> None:
        self._unreachable.labels(topic, str(partition)).set(lost)


class OutboxMetrics:
    """The most useful money alarm: facts that wait to be sent."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batches: Final = Counter("sps_outbox_batches_total", "Batches sealed", registry=registry)
        self.resent: Final = Counter("sps_outbox_resent_total", "Batches appended again", registry=registry)
        self.unconfirmed: Final = Gauge(
            "sps_outbox_unconfirmed", "Batches sealed and not seen in a block", registry=registry
        )
        self.waiting: Final = Gauge("sps_outbox_pending", "Facts not sealed yet", registry=registry)
        self._age: Final = Gauge(
            "sps_outbox_oldest_age_seconds",
            "How long the oldest fact waits that no block has; looked up every few seconds",
            registry=registry,
        )
        self.adopted: Final = Gauge(
            "sps_outbox_adopted_batches", "Foreign batches ordered under our numbers", registry=registry
        )

    def measure_age(self, seconds: Callable[[], float]) -> None:
        """Ask for the age whenever somebody looks."""
        self._age.set_function(seconds)


class TraceMetrics:
    """What becomes of spans (`sps.tracing.meter`); all stay 0 while traces are off."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._spans: Final = Counter(
            "sps_trace_spans_total",
            "Spans sent, dropped because too many wait, or lost with an export that failed",
            ("result",),
            registry=registry,
        )
        self._malformed: Final = Counter(
            "sps_trace_headers_malformed_total",
            "Records whose traceparent is none; it was ignored",
            ("topic",),
            registry=registry,
        )
        for result in SPAN_ENDS:
            self._spans.labels(result)
        for topic in TOPICS:
            self._malformed.labels(topic)

    def ended(self, result: SpanEnd, spans: int) -> None:
        self._spans.labels(result).inc(spans)

    def malformed(self, topic: str) -> None:
        self._malformed.labels(topic).inc()


class SurveyMetrics:
    """Counts that are made now and then (`sps.runtime.surveys`)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.done: Final = Gauge(
            "sps_survey_last_success_timestamp_seconds",
            "When a survey last succeeded; its gauges are as old as that",
            ("survey",),
            registry=registry,
        )
        self.duration: Final = Gauge(
            "sps_survey_duration_seconds", "How long it then took", ("survey",), registry=registry
        )


class WebhookMetrics:
    """What carriers and providers sent us: taken, and then handled."""

    def __init__(self, registry: CollectorRegistry, senders: Iterable[str]) -> None:
        self.received: Final = Counter(
            "sps_webhooks_received_total",
            "Webhooks by what became of them: ok, duplicate, or why refused",
            ("provider", "result"),
            registry=registry,
        )
        self.handling: Final = Histogram(
            "sps_webhook_handling_seconds",
            "From a webhook being stored until it was handled",
            ("provider",),
            buckets=AGE_BUCKETS,
            registry=registry,
        )
        self.pending: Final = Gauge(
            "sps_webhook_pending", "Webhooks stored and not handled yet", ("provider",), registry=registry
        )
        self.oldest: Final = Gauge(
            "sps_webhook_oldest_age_seconds",
            "How long the oldest of them waits; 0 without any",
            ("provider",),
            registry=registry,
        )
        for sender in senders:
            for gauge in (self.pending, self.oldest):
                gauge.labels(sender).set(0)
            self.handling.labels(sender)

    def wait(self, sender: str, count: int, oldest_s: float) -> None:
        """So many wait, the oldest for so long."""
        self.pending.labels(sender).set(count)
        self.oldest.labels(sender).set(max(0.0, oldest_s))
