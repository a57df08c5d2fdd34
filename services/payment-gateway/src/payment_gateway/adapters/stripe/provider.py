"""Stripe as a payment provider: Checkout, refunds, payouts to external accounts, transfers.

Our identifiers are the Idempotency-Keys and stand in `metadata` (`payment`, `order`) and
`transfer_group`, so that everything can be found again by them when a key is no longer kept.
"""

import re
from collections.abc import Awaitable
from typing import Final

from msgspec import Struct

from payment_gateway.adapters.http_exchange import HttpExchange
from payment_gateway.adapters.stripe import mapping
from payment_gateway.adapters.stripe.client import StripeClient, StripeRefused
from payment_gateway.adapters.stripe.webhook import EventVerifier
from payment_gateway.application.ports import (
    Answers,
    Checkout,
    CheckoutWish,
    Hint,
    Instruction,
    ProviderTrouble,
    RawCallback,
)
from payment_gateway.core.outcome import Absent, Outcome, Rejected, Unknown
from payment_gateway.core.payment import Found
from payment_gateway.core.payout import HOUR_MS, Rules
from payment_gateway.core.units import ProviderUnit, UnitRefused, to_provider
from payment_gateway.core.words import is_reference, reason_name
from sps.money import Money, MoneyRefused

NAME: Final = "stripe"
RULES: Final = Rules(settle_ms=HOUR_MS // 12, key_window_ms=20 * HOUR_MS)
"""Stripe may forget a key after 24 hours; we stop at 20."""

PAGE: Final = 100
PAGES_MAX: Final = 20
"""A list that is longer than this is incomplete, and an incomplete list proves no absence (X83)."""
CLOCK_SLACK_MS: Final = HOUR_MS
HTTP_NOT_FOUND: Final = 404
EXPAND_FEE: Final = {"expand[]": "latest_charge.balance_transaction"}

_ACCOUNT: Final = re.compile(r"(?:acct|ba|card)_[A-Za-z0-9]{1,64}", re.ASCII)


class _Route(Struct, frozen=True):
    """How one kind of movement is made and listed."""

    path: str
    fields: dict[str, str]
    listed_by: dict[str, str]
    units: dict[str, ProviderUnit]


class StripeProvider:
    """The port `PaymentProvider` for one platform account."""

    name = NAME
    units = mapping.UNITS
    answers = Answers("received", "refused")

    def __init__(
        self, client: StripeClient, verifier: EventVerifier, exchange: HttpExchange, rules: Rules = RULES
    ) -> None:
        self.rules = rules
        self._client = client
        self._verifier = verifier
        self._exchange = exchange

    async def checkout(self, wish: CheckoutWish) -> Checkout:
        try:
            raw = await self._client.post("checkout/sessions", _session_form(wish), wish.payment)
            session = mapping.open_session(raw, wish.payment)
        except (StripeRefused, mapping.BadObject) as error:
            raise ProviderTrouble(str(error)) from error
        return Checkout(session.url or "", session.id)

    async def find_payment(self, payment: str, reference: str, trade: str = "") -> Found:
        try:
            if trade:
                return await self._intent(payment, trade)
            return await self._find_payment(payment, reference)
        except (StripeRefused, mapping.BadObject, MoneyRefused, UnitRefused) as error:
            raise ProviderTrouble(str(error)) from error

    async def close_checkout(self, payment: str, reference: str) -> None:
        if not reference:
            return
        try:
            await self._client.post(f"checkout/sessions/{reference}/expire", {}, f"{payment}.expire")
        except StripeRefused as error:
            raise ProviderTrouble(str(error)) from error

    def check_account(self, account: str, name: str) -> str:  # noqa: ARG002 Stripe knows the holder
        if not _ACCOUNT.fullmatch(account):
            raise UnitRefused("BAD_ACCOUNT", "a Stripe destination begins with acct_, ba_ or card_")
        return account

    async def send_payout(self, instruction: Instruction) -> Outcome:
        return await self._send(instruction, _payout_route(instruction))

    async def find_payout(self, instruction: Instruction) -> Outcome:
        return await self._find(instruction, _payout_route(instruction))

    async def send_refund(self, instruction: Instruction) -> Outcome:
        return await self._send(instruction, _refund_route(instruction))

    async def find_refund(self, instruction: Instruction) -> Outcome:
        return await self._find(instruction, _refund_route(instruction))

    def prove(self, callback: RawCallback) -> Hint:
        return self._verifier.prove(callback)

    async def stop(self) -> None:
        await self._exchange.stop()

    async def _find_payment(self, payment: str, reference: str) -> Found:
        if not reference:
            return await self._search(payment)
        raw = await self._client.get(f"checkout/sessions/{reference}")
        session = mapping.read(raw, mapping.Session)
        if session.client_reference_id != payment:
            raise mapping.BadObject("the session is another payment's")
        if session.payment_intent is None:
            ended = session.status == "expired"
            return Found("failed" if ended else "pending", raw, reference, reason="expired" if ended else "")
        found = await self._intent(payment, session.payment_intent)
        if found.state == "pending" and session.status == "expired":
            return Found("failed", raw, found.reference, reason="expired")
        return found

    async def _search(self, payment: str) -> Found:
        """By our identifier, when the session's number was lost with a crash."""
        raw = await self._client.get("payment_intents/search", {"query": f"metadata['payment']:'{payment}'"})
        intents = mapping.read(raw, mapping.IntentPage).data
        if not intents:
            return Found("absent", raw)
        return await self._intent(payment, intents[0].id)

    async def _intent(self, payment: str, intent: str) -> Found:
        raw = await self._client.get(f"payment_intents/{intent}", EXPAND_FEE)
        return mapping.found_intent(mapping.read(raw, mapping.PaymentIntent), payment, raw)

    async def _send(self, instruction: Instruction, route: _Route) -> Outcome:
        amount = to_provider(instruction.amount, route.units)
        form = route.fields | {"amount": str(amount), "metadata[order]": instruction.id}
        return await _outcome(self._post(instruction, route, form))

    async def _post(self, instruction: Instruction, route: _Route, form: dict[str, str]) -> Outcome:
        try:
            raw = await self._client.post(route.path, form, instruction.id)
        except StripeRefused as refusal:
            return Rejected(reason_name(refusal.code))
        return _judge(instruction, route, mapping.read(raw, mapping.Movement), raw)

    async def _find(self, instruction: Instruction, route: _Route) -> Outcome:
        if instruction.reference:
            return await _outcome(self._fetch(instruction, route))
        return await _outcome(self._list(instruction, route))

    async def _fetch(self, instruction: Instruction, route: _Route) -> Outcome:
        raw = await self._client.get(f"{route.path}/{instruction.reference}")
        return _judge(instruction, route, mapping.read(raw, mapping.Movement), raw)

    async def _list(self, instruction: Instruction, route: _Route) -> Outcome:
        """Go through the provider's list; only its very end proves absence."""
        query = route.listed_by | {"limit": str(PAGE)}
        seen: set[str] = set()
        for _ in range(PAGES_MAX):
            raw = await self._client.get(route.path, query)
            page = mapping.read(raw, mapping.MovementPage)
            for movement in page.data:
                if movement.metadata.get("order") == instruction.id:
                    return _judge(instruction, route, movement, raw)
            fresh = {movement.id for movement in page.data} - seen
            if not page.has_more:
                return Absent()
            if not fresh:
                return Unknown("list_repeats")
            seen |= fresh
            query = query | {"starting_after": page.data[-1].id}
        return Unknown("list_too_long")


def _session_form(wish: CheckoutWish) -> dict[str, str]:
    amount = to_provider(wish.amount, mapping.UNITS.pay_in)
    return {
        "mode": "payment",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": wish.amount.currency.lower(),
        "line_items[0][price_data][unit_amount]": str(amount),
        "line_items[0][price_data][product_data][name]": f"Escrow {wish.contract}",
        "client_reference_id": wish.payment,
        "metadata[payment]": wish.payment,
        "payment_intent_data[metadata][payment]": wish.payment,
        "payment_intent_data[transfer_group]": wish.contract,
        "expires_at": str(wish.expires_ms // 1000),
        "success_url": wish.return_url,
        "cancel_url": wish.return_url,
    }


def _payout_route(instruction: Instruction) -> _Route:
    since = str(max(0, instruction.ordered_ms - CLOCK_SLACK_MS) // 1000)
    fields = {"currency": instruction.amount.currency.lower(), "destination": instruction.account}
    units = dict(mapping.UNITS.payout)
    if instruction.account.startswith("acct_"):
        group = {"transfer_group": instruction.id}
        return _Route("transfers", fields | group, group, units)
    listed = {"destination": instruction.account, "created[gte]": since}
    return _Route("payouts", fields, listed, units)


def _refund_route(instruction: Instruction) -> _Route:
    of = {"payment_intent": instruction.payment_reference}
    return _Route("refunds", of, of, dict(mapping.UNITS.refund))


def _judge(instruction: Instruction, route: _Route, movement: mapping.Movement, raw: bytes) -> Outcome:
    """What an object means, after it has been checked to be this order's and of this amount."""
    if not is_reference(movement.id):
        return Unknown("bad_answer")
    if movement.metadata.get("order") != instruction.id:
        return Unknown("other_order")
    if not _same(instruction.amount, movement, route):
        return Unknown("other_amount")
    match route.path:
        case "refunds":
            return mapping.refund_outcome(movement, raw)
        case "transfers":
            return mapping.transfer_outcome(movement, raw)
        case _:
            return mapping.payout_outcome(movement, raw)


def _same(amount: Money, movement: mapping.Movement, route: _Route) -> bool:
    return mapping.same_amount(movement, to_provider(amount, route.units), amount.currency)


async def _outcome(call: Awaitable[Outcome]) -> Outcome:
    """Trouble, refused queries and answers that make no sense are doubt."""
    try:
        return await call
    except ProviderTrouble:
        return Unknown("no_clear_answer")
    except StripeRefused as refusal:
        return Unknown("not_found" if refusal.status == HTTP_NOT_FOUND else reason_name(refusal.code))
    except (mapping.BadObject, MoneyRefused, UnitRefused):
        return Unknown("bad_answer")
