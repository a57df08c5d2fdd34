"""Every metric of the payment gateway. Labels are providers and our own few words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge

from payment_gateway.core.payment import FoundState
from payment_gateway.core.payout import FINAL_STATES, Report, State
from sps.runtime.metrics import WebhookMetrics

CALLBACKS: Final = {"done": "ok", "repeat": "duplicate", "unknown": "unknown", "refused": "refused"}
"""What became of a callback, in our words and in those of the metrics."""


TROUBLE: Final = "trouble"
"""What a look has found when the provider could not be asked."""
OTHER: Final = "other"
"""The label of providers that are not configured here."""
OPEN_STATES: Final = tuple(state for state in get_args(State) if state not in FINAL_STATES | {"sent"})
"""States of an order whose end is not known."""
STEPS: Final = (*get_args(Report), *OPEN_STATES, "sent")
MS_PER_S: Final = 1_000


class OpenOrders(Struct, frozen=True):
    """How many orders of a provider are in a state, and when the chain ordered the oldest."""

    provider: str
    state: str
    count: int
    oldest_ms: int


class Waiting(Struct, frozen=True):
    """How many callbacks of a provider wait, and when the oldest came."""

    provider: str
    count: int
    oldest_ms: int


class GatewayMetrics:
    """Callbacks, payments, orders and the calls to providers."""

    def __init__(self, registry: CollectorRegistry, providers: Iterable[str]) -> None:
        self._providers: Final = (*providers, OTHER)
        self._webhooks: Final = WebhookMetrics(registry, self._providers)
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
        self._open: Final = Gauge(
            "sps_orders_open",
            "Orders whose end is not known, by state; manual: a person decides",
            ("provider", "state"),
            registry=registry,
        )
        self._oldest: Final = Gauge(
            "sps_orders_oldest_age_seconds",
            "How long ago the chain ordered the oldest of them that waits for no person; 0 without any",
            ("provider",),
            registry=registry,
        )
        self._payments: Final = Gauge(
            "sps_payments_pending", "Payments of buyers that are not over", ("provider",), registry=registry
        )
        for provider in self._providers:
            self._begin(provider)
        self.orders_open((), 0)
        self.payments_pending({})

    def _begin(self, provider: str) -> None:
        for result in CALLBACKS.values():
            self._webhooks.received.labels(provider, result)
        for found in (*get_args(FoundState), TROUBLE):
            self.looks.labels(provider, found)
        for step in STEPS:
            self.orders.labels(provider, step)
        self.claims.labels(provider)

    def called_back(self, provider: str, end: str, waited_ms: int) -> None:
        """A callback was handled after so long; `end` is one of `CALLBACKS`."""
        name = self._known(provider)
        self._webhooks.received.labels(name, CALLBACKS[end]).inc()
        self._webhooks.handling.labels(name).observe(max(0, waited_ms) / MS_PER_S)

    def callbacks_waiting(self, waiting: Sequence[Waiting], now_ms: int) -> None:
        """Show what waits in the inbox."""
        found = {each.provider: each for each in waiting}
        for provider in self._providers:
            each = found.get(provider, Waiting(provider, 0, now_ms))
            self._webhooks.wait(provider, each.count, (now_ms - each.oldest_ms) / MS_PER_S)

    def orders_open(self, orders: Sequence[OpenOrders], now_ms: int) -> None:
        """Show the orders that are not over."""
        counts = dict.fromkeys(((each, state) for each in self._providers for state in OPEN_STATES), 0)
        oldest = dict.fromkeys(self._providers, now_ms)
        for order in orders:
            provider = self._known(order.provider)
            counts[provider, order.state] += order.count
            if order.state != "manual":
                oldest[provider] = min(oldest[provider], order.oldest_ms)
        for labels, count in counts.items():
            self._open.labels(*labels).set(count)
        for provider, since_ms in oldest.items():
            self._oldest.labels(provider).set((now_ms - since_ms) / MS_PER_S)

    def payments_pending(self, pending: Mapping[str, int]) -> None:
        """Show the payments that are looked at."""
        for provider in self._providers:
            self._payments.labels(provider).set(pending.get(provider, 0))

    def _known(self, provider: str) -> str:
        return provider if provider in self._providers else OTHER
