"""Every metric of the gateway. No label ever holds a number, a person or a contract."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter


class GatewayMetrics:
    """The port `Tally`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._received: Final = Counter(
            "sps_carrier_webhooks_total",
            "Webhooks by verdict: accepted, duplicate, or why refused",
            ("carrier", "verdict"),
            registry=registry,
        )
        self._translated: Final = Counter(
            "sps_carrier_messages_total",
            "Messages handled, by how they ended",
            ("carrier", "outcome"),
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
            "sps_carrier_calls_total",
            "Calls to carriers, by how they ended",
            ("carrier", "call", "outcome"),
            registry=registry,
        )
        self._refused: Final = Counter(
            "sps_carrier_chain_refused_total",
            "Transactions of ours that the chain refused",
            ("kind", "code"),
            registry=registry,
        )

    def received(self, carrier: str, verdict: str) -> None:
        self._received.labels(carrier, verdict).inc()

    def translated(self, carrier: str, outcome: str) -> None:
        self._translated.labels(carrier, outcome).inc()

    def gave(self, carrier: str, origin: str, facts: int) -> None:
        self._evidence.labels(carrier, origin).inc(facts)

    def unknown_words(self, carrier: str, count: int) -> None:
        self._unknown.labels(carrier).inc(count)

    def asked(self, carrier: str, call: str, outcome: str) -> None:
        self._calls.labels(carrier, call, outcome).inc()

    def chain_refused(self, kind: str, code: str) -> None:
        self._refused.labels(kind, code).inc()
