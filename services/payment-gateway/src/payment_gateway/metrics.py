"""Every metric of the payment gateway. Labels are providers and our own few words."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge


class GatewayMetrics:
    """Callbacks, payments, orders and the calls to providers."""

    def __init__(self, registry: CollectorRegistry, providers: Iterable[str]) -> None:
        self.callbacks: Final = Counter(
            "sps_callbacks_total",
            "Callbacks by what became of them",
            ("provider", "verdict"),
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
            for verdict in ("done", "repeat", "unknown", "refused"):
                self.callbacks.labels(provider, verdict)
            self.claims.labels(provider)
