"""Callbacks in: stored raw, proved, answered; then translated. A callback only says where to look.

Steps: 1. the raw body is durable; 2. it is proved; 3. the answer goes out; 4. a worker makes the payment or
order due. A crash after 1 leaves a row that the worker proves itself; the provider sends again anyway.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from payment_gateway.application.payment_tracing import PaymentTracing
from payment_gateway.application.ports import CallbackRefused, Hint, PaymentProvider, RawCallback
from payment_gateway.application.register import CallbackRegister, PaymentRegister, StoredCallback
from payment_gateway.core.words import event_name, is_reference
from payment_gateway.metrics import GatewayMetrics
from sps.runtime.clock import Clock
from sps.runtime.logs import get_logger
from sps.runtime.probe import Probe

ROUND_MAX: Final = 100

_log: Final = get_logger("payment_gateway")


class Callbacks:
    """Use cases of incoming callbacks. `hurry` wakes the workers that look."""

    def __init__(
        self,
        register: CallbackRegister,
        payments: PaymentRegister,
        providers: Mapping[str, PaymentProvider],
        clock: Clock,
        metrics: GatewayMetrics,
        hurry: Callable[[], None],
        probe: Probe,
        tracing: PaymentTracing | None = None,
    ) -> None:
        self._register = register
        self._payments = payments
        self._providers = providers
        self._clock = clock
        self._metrics = metrics
        self._hurry = hurry
        self._probe = probe
        self._tracing = tracing
        self.wake: Final = asyncio.Event()

    async def receive(self, provider: str, body: bytes, headers: tuple[tuple[str, str], ...]) -> bool:
        """Store, then prove; True: acknowledge. The provider is one that exists here."""
        callback = RawCallback(body, headers, self._clock.now_ms())
        number = await self._register.keep_callback(provider, callback)
        self._probe("callback.stored")
        try:
            self._providers[provider].prove(callback)
        except CallbackRefused as refusal:
            await self._refuse(provider, number, callback, refusal.code)
            return False
        self._probe("callback.proved")
        self.wake.set()
        return True

    async def round(self) -> int:
        """Translate what waits, in order of arrival; returns how many there were."""
        self.wake.clear()
        waiting = await self._register.waiting_callbacks(ROUND_MAX)
        for stored in waiting:
            await self._translate(stored)
        if waiting:
            self._hurry()
        return len(waiting)

    async def _translate(self, stored: StoredCallback) -> None:
        provider = self._providers.get(stored.provider)
        if provider is None:
            await self._refuse(stored.provider, stored.id, stored.callback, "UNKNOWN_PROVIDER")
            return
        try:
            hint = _in_our_words(provider.prove(stored.callback))
        except CallbackRefused as refusal:
            await self._refuse(stored.provider, stored.id, stored.callback, refusal.code)
            return
        await self._compare(stored.provider, hint)
        end = await self._register.finish_callback(stored, hint, self._clock.now_ms())
        self._probe("callback.translated")
        self._metrics.called_back(stored.provider, end, self._clock.now_ms() - stored.callback.received_ms)
        if self._tracing is not None and end == "done":
            row = await self._payments.payment(hint.subject) if hint.kind == "payment" else None
            self._tracing.called_back(stored, hint, row.contract if row else "")

    async def _compare(self, provider: str, hint: Hint) -> None:
        """A claim that differs from our record is an alarm; what arrived is asked for in any case."""
        if hint.kind != "payment" or hint.claimed is None:
            return
        row = await self._payments.payment(hint.subject)
        if row is not None and row.amount != hint.claimed:
            self._metrics.claims.labels(provider).inc()
            _log.warning("callback.amount_differs", payment=hint.subject, provider=provider)

    async def _refuse(self, provider: str, number: int, callback: RawCallback, code: str) -> None:
        """Whoever is second, the caller or the round, finds the verdict there: it is counted once."""
        now_ms = self._clock.now_ms()
        if await self._register.refuse_callback(number, code, now_ms):
            self._metrics.called_back(provider, "refused", now_ms - callback.received_ms)


def _in_our_words(hint: Hint) -> Hint:
    """A provider may say anything: what cannot be an identifier of ours is about nothing of ours."""
    key = event_name(hint.event_key)
    if hint.kind != "none" and not is_reference(hint.subject):
        return Hint("none", event_key=key)
    return replace(hint, event_key=key)
