"""Every metric of the gateway. No label ever holds a number, a person or a contract."""

import time
from collections.abc import Iterable
from typing import Final, get_args

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge

from sps.runtime.metrics import WebhookMetrics
from sps.transactions.values import EvidenceOrigin

MS_PER_S: Final = 1_000
CALLS: Final = ("pull", "subscribe")
CALL_RESULTS: Final = ("ok", "trouble", "refused")
OUTCOMES: Final = ("evidence", "hint", "nothing", "unknown_number", "given_up", "poisoned", "unreadable")
"""How a message usually ends; a carrier's own notices have words of their own."""
WEBHOOKS: Final = {"accepted": "ok"}
"""Our words that have another one among the metrics; all others stand there as they are."""


class Standing(Struct, frozen=True):
    """What waits at one carrier: messages to handle, parcels to watch, questions that are late."""

    carrier: str
    messages: int = 0
    oldest_ms: int | None = None
    """When the oldest of the messages came."""
    watched: int = 0
    late: int = 0


class GatewayMetrics:
    """The port `Tally`."""

    def __init__(self, registry: CollectorRegistry, carriers: Iterable[str] = ()) -> None:
        self._carriers: Final = tuple(carriers)
        self._webhooks: Final = WebhookMetrics(registry, self._carriers)
        self._translated: Final = Counter(
            "sps_carrier_events_total",
            "Messages handled, by how they ended",
            ("carrier", "result"),
            registry=registry,
        )
        self._last: Final = Gauge(
            "sps_carrier_last_event_timestamp_seconds",
            "When the newest message of a carrier was handled",
            ("carrier",),
            registry=registry,
        )
        self._evidence: Final = Counter(
            "sps_carrier_evidence_total", "Facts given to the chain", ("carrier", "origin"), registry=registry
        )
        self._unknown: Final = Counter(
            "sps_carrier_unknown_words_total",
            "Statuses that we have no word for",
            ("carrier",),
            registry=registry,
        )
        self._calls: Final = Counter(
            "sps_outbound_requests_total",
            "Calls to the world outside, by how they ended",
            ("target", "operation", "code"),
            registry=registry,
        )
        self._refused: Final = Counter(
            "sps_carrier_chain_refused_total",
            "Transactions of ours that the chain refused",
            ("kind", "code"),
            registry=registry,
        )
        self._watched: Final = Gauge(
            "sps_carrier_parcels_watched",
            "Parcels whose carrier is asked when it is silent",
            ("carrier",),
            registry=registry,
        )
        self._late: Final = Gauge(
            "sps_carrier_questions_late",
            "Parcels about which the carrier should have been asked a quarter of an hour ago",
            ("carrier",),
            registry=registry,
        )
        for carrier in self._carriers:
            self._begin(carrier)

    def _begin(self, carrier: str) -> None:
        for result in ("ok", "duplicate", "path", "header", "signature", "secret", "too_large", "empty"):
            self._webhooks.received.labels(carrier, result)
        for outcome in OUTCOMES:
            self._translated.labels(carrier, outcome)
        for origin in get_args(EvidenceOrigin):
            self._evidence.labels(carrier, origin)
        for call in CALLS:
            for result in CALL_RESULTS:
                self._calls.labels(carrier, call, result)
        self._unknown.labels(carrier)
        self.stands(Standing(carrier), 0)

    def received(self, carrier: str, verdict: str) -> None:
        self._webhooks.received.labels(carrier, WEBHOOKS.get(verdict, verdict)).inc()

    def translated(self, carrier: str, outcome: str, waited_ms: int) -> None:
        self._translated.labels(carrier, outcome).inc()
        self._webhooks.handling.labels(carrier).observe(max(0, waited_ms) / MS_PER_S)
        self._last.labels(carrier).set(time.time())

    def stands(self, standing: Standing, now_ms: int) -> None:
        """Show what was counted."""
        oldest_ms = now_ms if standing.oldest_ms is None else standing.oldest_ms
        self._webhooks.wait(standing.carrier, standing.messages, (now_ms - oldest_ms) / MS_PER_S)
        self._watched.labels(standing.carrier).set(standing.watched)
        self._late.labels(standing.carrier).set(standing.late)

    def gave(self, carrier: str, origin: str, facts: int) -> None:
        self._evidence.labels(carrier, origin).inc(facts)

    def unknown_words(self, carrier: str, count: int) -> None:
        self._unknown.labels(carrier).inc(count)

    def asked(self, carrier: str, call: str, outcome: str) -> None:
        self._calls.labels(carrier, call, outcome).inc()

    def chain_refused(self, kind: str, code: str) -> None:
        self._refused.labels(kind, code).inc()
