"""Every metric of the gateway. No label ever holds a number, a person or a contract."""

import time
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

WEBHOOKS: Final = {"accepted": "ok"}
"""Our words that have another one among the metrics; all others stand there as they are."""


class GatewayMetrics:
    """The port `Tally`."""

    def __init__(self, registry: CollectorRegistry, carriers: Iterable[str] = ()) -> None:
        self._received: Final = Counter(
            "sps_webhooks_received_total",
            "Webhooks by what became of them: ok, duplicate, or why refused",
            ("provider", "result"),
            registry=registry,
        )
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

        for carrier in carriers:
            for result in ("ok", "duplicate"):
                self._received.labels(carrier, result)

    def received(self, carrier: str, verdict: str) -> None:
        self._received.labels(carrier, WEBHOOKS.get(verdict, verdict)).inc()

    def translated(self, carrier: str, outcome: str) -> None:
        self._translated.labels(carrier, outcome).inc()
        self._last.labels(carrier).set(time.time())

    def gave(self, carrier: str, origin: str, facts: int) -> None:
        self._evidence.labels(carrier, origin).inc(facts)

    def unknown_words(self, carrier: str, count: int) -> None:
        self._unknown.labels(carrier).inc(count)

    def asked(self, carrier: str, call: str, outcome: str) -> None:
        self._calls.labels(carrier, call, outcome).inc()

    def chain_refused(self, kind: str, code: str) -> None:
        self._refused.labels(kind, code).inc()
