"""A buyer is sent to a provider, and what becomes of it is asked for until it is known.

Crash after each step: an `opening` row is taken up by the next request with the same key, so the provider
makes one pay page; a pending one is looked at until the provider says how it ended.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from payment_gateway.application.concurrency import side_by_side
from payment_gateway.application.payment_tracing import PaymentTracing
from payment_gateway.application.ports import ChainView, CheckoutWish, PaymentProvider, ProviderTrouble
from payment_gateway.application.register import PaymentRegister, PaymentRow
from payment_gateway.core.expected import amount_due
from payment_gateway.core.payment import (
    FEE_LOOKS_MAX,
    FIRST_LOOK_MS,
    GIVE_UP_MS,
    GRACE_MS,
    Arrival,
    Found,
    News,
    failed_fact,
    news,
    next_look_ms,
    pending_fact,
)
from payment_gateway.core.payout import NEVER_MS
from payment_gateway.core.refusal import Refused
from payment_gateway.core.units import to_provider
from payment_gateway.core.words import is_reference
from payment_gateway.metrics import GatewayMetrics
from sps.identifiers import PAYMENT
from sps.runtime.clock import Clock
from sps.runtime.ids import new_id
from sps.runtime.logs import get_logger
from sps.transactions.vocabulary import Transaction

ROUND_MAX: Final = 50
AT_ONCE: Final = 8
FOLLOW_S: Final = 2.0
"""How long a caller waits for our fold of the chain to be where he is."""

_log: Final = get_logger("payment_gateway")


class PayIn:
    """Use cases of incoming money."""

    def __init__(
        self,
        register: PaymentRegister,
        chain: ChainView,
        providers: Mapping[str, PaymentProvider],
        clock: Clock,
        metrics: GatewayMetrics,
        checkout_ttl_ms: int,
        look_lease_ms: int,
        tracing: PaymentTracing | None = None,
    ) -> None:
        """A look takes less than `look_lease_ms`; afterwards another may look, and two looks do no harm."""
        self._register = register
        self._chain = chain
        self._providers = providers
        self._clock = clock
        self._metrics = metrics
        self._checkout_ttl_ms = checkout_ttl_ms
        self._look_lease_ms = look_lease_ms
        self._tracing = tracing
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.wake: Final = asyncio.Event()

    async def open(self, contract: str, height: int, provider_name: str, return_url: str) -> PaymentRow:
        """Prepare the pay page for what is still due; a repeat gives the open payment.

        `height`: of the block in which the caller saw the contract; without it nothing is refused here.
        """
        provider = self._providers.get(provider_name)
        if provider is None:
            raise Refused("UNKNOWN_PROVIDER", f"providers here: {', '.join(sorted(self._providers))}")
        await self._chain.reached(height, FOLLOW_S)
        amount = amount_due(self._chain.contract(contract))
        to_provider(amount, provider.units.pay_in)
        now_ms = self._clock.now_ms()
        expires_ms = now_ms + self._checkout_ttl_ms
        fresh = PaymentRow(
            id=new_id(PAYMENT, self._clock),
            contract=contract,
            provider=provider_name,
            amount=amount,
            created_ms=now_ms,
            expires_ms=expires_ms,
            due_ms=now_ms + FIRST_LOOK_MS,
        )
        row = await self._register.open_payment(fresh)
        return row if row.state != "opening" else await self._send_buyer(provider, row, return_url)

    async def _send_buyer(self, provider: PaymentProvider, row: PaymentRow, return_url: str) -> PaymentRow:
        wish = CheckoutWish(row.id, row.contract, row.amount, return_url, row.expires_ms)
        checkout = await provider.checkout(wish)
        due_ms = self._clock.now_ms() + FIRST_LOOK_MS
        fact = pending_fact(row.contract, row.id, row.provider)
        sent = await self._register.payment_sent(row.id, checkout.url, checkout.reference, due_ms, [fact])
        # Who asks at the same moment as another gets the same address.
        known = None if sent else await self._register.payment(row.id)
        return known or replace(
            row, state="pending", url=checkout.url, reference=checkout.reference, due_ms=due_ms
        )

    async def payment(self, payment: str) -> tuple[PaymentRow, list[Arrival]] | None:
        """A payment and what has arrived for it."""
        row = await self._register.payment(payment) if is_reference(payment) else None
        return (row, await self._register.arrivals(payment)) if row else None

    async def round(self) -> int:
        """Look at all payments that are due; returns how many there were."""
        self.wake.clear()
        due = await self._register.due_payments(self._clock.now_ms(), ROUND_MAX)
        await side_by_side(self._look(row) for row in due)
        return len(due)

    async def _look(self, row: PaymentRow) -> None:
        async with self._slots:
            claimed = await self._register.claim_payment(row, self._clock.now_ms() + self._look_lease_ms)
            if claimed is None:
                return
            known = await self._register.arrivals(claimed.id)
            trades = await self._register.hinted(claimed.id)
            trades += [arrival.reference for arrival in known if arrival.fee_open]
            answers = [await self._ask(claimed, trade) for trade in ("", *trades)]
            await self._settle(claimed, known, answers)

    async def _settle(
        self, claimed: PaymentRow, known: Sequence[Arrival], answers: Sequence[Found | None]
    ) -> None:
        now_ms = self._clock.now_ms()
        found = [answer for answer in answers if answer is not None]
        told = news(claimed.contract, claimed.id, claimed.provider, known, found)
        looked = replace(claimed, looks=claimed.looks + 1, due_ms=next_look_ms(now_ms, claimed.looks))
        if known or told.arrivals:
            result = _after_money(looked, known, told, now_ms, complete=len(found) == len(answers))
            await self._write(claimed, result, told.arrivals, _in_order(claimed, told))
        elif answers[0] is not None and _is_over(claimed, answers[0], now_ms):
            await self._failed(claimed, looked, answers[0].reason or "expired")
        else:
            if answers[0] is not None and answers[0].state == "pending":
                await self._close_unwanted(claimed)
            await self._write(claimed, looked, (), ())

    async def _write(
        self,
        claimed: PaymentRow,
        result: PaymentRow,
        arrivals: Sequence[Arrival],
        facts: Sequence[Transaction],
    ) -> None:
        """Two looks that overlap would each call its own first arrival the first: the older one is void."""
        kept = await self._register.settle_payment(claimed, result, arrivals, facts)
        if facts or not kept:
            named = {"payment": claimed.id, "provider": claimed.provider, "facts": len(facts)}
            _log.info("payment.looked" if kept else "payment.look_void", **named)
        if self._tracing is not None and facts and kept:
            self._tracing.paid(claimed, len(facts), result.state)

    async def _close_unwanted(self, row: PaymentRow) -> None:
        """The contract takes no more money: the pay page shall not either. What still comes is reported."""
        try:
            amount_due(self._chain.contract(row.contract))
        except Refused:
            with contextlib.suppress(ProviderTrouble):
                await self._providers[row.provider].close_checkout(row.id, row.reference)

    async def _failed(self, claimed: PaymentRow, looked: PaymentRow, reason: str) -> None:
        known = claimed.state == "failed"
        facts = () if known else (failed_fact(claimed.contract, claimed.id, claimed.provider, reason),)
        result = replace(looked, state="failed", due_ms=NEVER_MS)
        await self._write(claimed, result, (), facts)

    async def _ask(self, row: PaymentRow, trade: str) -> Found | None:
        provider = self._providers.get(row.provider)
        found = None
        if provider is not None:
            try:
                found = await provider.find_payment(row.id, row.reference, trade)
            except ProviderTrouble as trouble:
                _log.warning("payment.look_failed", payment=row.id, provider=row.provider, error=str(trouble))
        self._metrics.looks.labels(row.provider, found.state if found else "trouble").inc()
        return found


def _after_money(
    looked: PaymentRow, known: Sequence[Arrival], told: News, now_ms: int, *, complete: bool
) -> PaymentRow:
    """Money is here. The row is looked at again only for a fee that is still to be stated."""
    fee_open = {arrival.reference: arrival.fee_open for arrival in (*known, *told.arrivals)}
    cleared = replace(looked, state="cleared")
    if told.facts and any(fee_open.values()):
        return replace(cleared, looks=0, due_ms=next_look_ms(now_ms, 0))
    over = complete and (not any(fee_open.values()) or looked.looks > FEE_LOOKS_MAX)
    return replace(cleared, due_ms=NEVER_MS) if over else cleared


def _in_order(claimed: PaymentRow, told: News) -> tuple[Transaction, ...]:
    """A buyer who paid before we had written that he was sent: the chain hears both."""
    if claimed.state != "opening":
        return told.facts
    return (pending_fact(claimed.contract, claimed.id, claimed.provider), *told.facts)


def _is_over(row: PaymentRow, found: Found, now_ms: int) -> bool:
    if found.state == "failed":
        return True
    if found.state == "absent":
        return now_ms >= row.expires_ms + GRACE_MS
    return now_ms >= row.expires_ms + GIVE_UP_MS
