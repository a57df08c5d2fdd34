"""Stripe-like: Checkout Sessions and the payment intents that come of them."""

from typing import Any, Final

from msgspec.structs import replace

from sandbox.application.bookkeeping import post
from sandbox.application.errors import SandboxRefused
from sandbox.application.ports import Unit
from sandbox.application.telling import Teller
from sandbox.application.world import World
from sandbox.core import stripe_words as words
from sandbox.core.amounts import fee_of
from sandbox.core.records import STRIPE, Entry, Payment
from sandbox.core.stripe_words import Event, Form, Shape, StripeError

LINES_MAX: Final = 100
UNITS_MAX: Final = 99_999_999
DAY_MS: Final = 24 * 3_600_000


class StripeCheckout:
    """Sessions of one platform account, inside the caller's unit."""

    def __init__(self, world: World, teller: Teller) -> None:
        self._world = world
        self._teller = teller

    async def create(self, unit: Unit, form: Form) -> Payment:
        if form.get("mode") != "payment" or not form.get("success_url"):
            raise StripeError(400, "parameter_missing", "mode=payment and success_url are needed")
        minor, currency, subject = _lines(form)
        now_ms = self._world.now_ms()
        expires = str(form.get("expires_at", ""))
        intent = _group(form, "payment_intent_data")
        intent_metadata = _texts(intent.get("metadata"))
        named = intent_metadata.get("payment") or str(form.get("client_reference_id", ""))
        return await unit.add(
            Payment(
                provider=STRIPE,
                our_id=named,
                reference="",
                session=self._world.token("cs_test"),
                minor=minor,
                currency=currency,
                state="open",
                created_ms=now_ms,
                expires_ms=whole(expires, "expires_at") * 1000 if expires else now_ms + DAY_MS,
                return_url=str(form["success_url"]),
                subject=subject,
                facts={
                    "cancel_url": str(form.get("cancel_url") or form["success_url"]),
                    "client_reference_id": form.get("client_reference_id"),
                    "metadata": _texts(form.get("metadata")),
                    "intent_metadata": intent_metadata,
                    "transfer_group": intent.get("transfer_group"),
                },
            )
        )

    async def session(self, unit: Unit, reference: str) -> Payment:
        """The session; after a second payment of it, the newest one."""
        found = await unit.find(Payment, provider=STRIPE, session=reference)
        if found is None:
            raise StripeError(404, "resource_missing", f"No such checkout.session: '{reference}'")
        late = found.state == "open" and self._world.now_ms() >= found.expires_ms
        return replace(found, state="closed") if late else found

    async def expire(self, unit: Unit, reference: str) -> Payment:
        """Take no more money for a session."""
        session = await self.session(unit, reference)
        if session.state == "paid":
            raise StripeError(
                400, "checkout_session_not_open", "Only Checkout Sessions with status open can be expired"
            )
        if session.state == "open":
            session = await unit.save(replace(session, state="closed"))
            await self._tell(unit, "checkout.session.expired", self.shape(session), session)
        return session

    async def pay(
        self,
        unit: Unit,
        session: Payment,
        minor: int | None = None,
        currency: str = "",
        *,
        again: bool = False,
    ) -> Payment:
        """The buyer pays. `again` makes a second payment intent for the same session."""
        if session.state == "paid" and not again:
            return session
        if session.state == "closed":
            raise SandboxRefused("SESSION_EXPIRED", "the session is expired and takes no money")
        if session.state == "paid":
            session = await unit.add(replace(session, id=0, refunded=0))
        received = minor or session.minor
        paid = replace(
            session,
            state="paid",
            reference=self._world.token("pi"),
            received_minor=received,
            received_currency=currency or session.currency,
            fee=fee_of(received, self._world.stripe.fee_bp),
            paid_ms=self._world.now_ms(),
        )
        await unit.save(paid)
        await self._book(unit, paid)
        await self._tell(unit, "payment_intent.succeeded", words.intent(paid, expanded=False), paid)
        await self._tell(unit, "checkout.session.completed", self.shape(paid), paid)
        return paid

    async def intent(self, unit: Unit, reference: str) -> Payment:
        """A paid payment by its intent."""
        found = await unit.find(Payment, provider=STRIPE, reference=reference) if reference else None
        if found is None:
            raise StripeError(404, "resource_missing", f"No such payment_intent: '{reference}'")
        return found

    def shape(self, session: Payment) -> Shape:
        """The session as it is told."""
        return words.session(session, self._world.url(f"/stripe/pay/{session.session}"))

    async def _book(self, unit: Unit, paid: Payment) -> None:
        for kind, minor in (("paid_in", paid.received_minor), ("fees", paid.fee)):
            await post(unit, Entry(STRIPE, paid.received_currency, kind, minor, paid.reference, paid.paid_ms))

    async def _tell(self, unit: Unit, kind: str, shape: Shape, payment: Payment) -> None:
        await self._teller.stripe(unit, Event(kind, shape), payment.our_id)


def _lines(form: Form) -> tuple[int, str, str]:
    """Sum, currency and name of the line items."""
    total, currencies, name = 0, set(), ""
    for line in list(_group(form, "line_items").values())[:LINES_MAX]:
        price = _group(line, "price_data") if isinstance(line, dict) else {}
        total += whole(price.get("unit_amount"), "unit_amount") * whole(line.get("quantity"), "quantity")
        currencies.add(words.checked_currency(str(price.get("currency", ""))))
        name = str(_group(price, "product_data").get("name", ""))[:250]
    if len(currencies) != 1:
        raise StripeError(400, "parameter_missing", "line_items in one currency are needed")
    if not 0 < total <= UNITS_MAX:
        raise StripeError(
            400, "amount_too_small" if total <= 0 else "amount_too_large", "amount out of range"
        )
    currency = currencies.pop()
    return words.to_minor(total, currency), currency, name


def whole(value: Any, name: str) -> int:
    """A positive whole number of a form."""
    text = str(value)
    if not text.isascii() or not text.isdecimal() or len(text) > 12 or int(text) == 0:  # noqa: PLR2004 digits
        raise StripeError(400, "parameter_invalid_integer", f"Invalid integer: {name}")
    return int(text)


def _group(form: Form, name: str) -> dict[str, Any]:
    value = form.get(name)
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> dict[str, str]:
    return {name: str(text) for name, text in value.items()} if isinstance(value, dict) else {}


metadata_of = _texts
