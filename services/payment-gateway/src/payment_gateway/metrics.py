"""Every metric of the payment gateway. Labels are providers and our own few words."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

CALLBACKS: Final = {"done": "ok", "repeat": "duplicate", "unknown": "unknown", "refused": "refused"}
"""What became of a callback, in our words and in those of the metrics."""


class GatewayMetrics:
    """Callbacks, payments, orders and the calls to providers."""

    def __init__(self, registry: CollectorRegistry, providers: Iterable[str]) -> None:
        self._callbacks: Final = Counter(
            "sps_webhooks_received_total",
            "Webhooks by what became of them: ok, duplicate, or why refused",
            ("provider", "result"),
            registry=registry,
        )
        self.claims: Final = Counter(
            "sps_callback_amount_differs_total",
            "Proved callbacks that state another amount than we asked for",
            ("provider",),
            registry=registry,
        )
        self.looks: Final = Counter(
            "sps_payment_looks_total",
            "Payments asked for, by what was found",
            ("provider", "found"),
            registry=registry,
        )
        self.orders: Final = Counter(
            "sps_orders_total", "Outgoing orders, by step", ("provider", "step"), registry=registry
        )
        self.refused_orders: Final = Counter(
            "sps_orders_refused_total", "Records that are no order of ours", registry=registry
        )
        self.void_answers: Final = Counter(
            "sps_order_answers_void_total",
            "Answers that came after the lease had passed on",
            registry=registry,
        )
        self.open_orders: Final = Gauge(
            "sps_orders_due", "Orders on which something was to be done in the last round", registry=registry
        )
        for provider in providers:
            for result in CALLBACKS.values():
                self._callbacks.labels(provider, result)
            self.claims.labels(provider)

    def called_back(self, provider: str, end: str) -> None:
        """A callback was handled; `end` is one of `CALLBACKS`."""
        self._callbacks.labels(provider, CALLBACKS[end]).inc()
