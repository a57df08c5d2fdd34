"""For demonstrations and tests: pay in the buyer's place, and look into the books."""

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from sandbox.application.alipay_gateway import PAGE_PAY, WAP_PAY, AlipayGateway
from sandbox.application.alipay_trades import AlipayTrades
from sandbox.application.errors import SandboxRefused
from sandbox.application.ports import Store
from sandbox.application.stripe_checkout import StripeCheckout
from sandbox.core.books import books
from sandbox.core.records import ALIPAY, STRIPE, Account, Entry, Movement, Payment
from sandbox.core.stripe_words import StripeError

STRIPE_PAGE: Final = "/stripe/pay/"
BOOKS_MAX: Final = 1_000_000
LIST_MAX: Final = 100_000
"""A control interface is for tests: everything is shown, but not without any end."""


class Cashier:
    """The buyer's hand: on the pages, and by the control interface."""

    def __init__(
        self, store: Store, gateway: AlipayGateway, trades: AlipayTrades, checkout: StripeCheckout
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._trades = trades
        self._checkout = checkout

    async def pay_link(
        self, provider: str, url: str, minor: int | None, currency: str, *, again: bool
    ) -> Payment:
        """Pay what the link leads to; repeating it changes nothing unless `again` is asked for."""
        place = urlsplit(url)
        if provider == ALIPAY:
            params = dict(parse_qsl(place.query, keep_blank_values=True))
            if params.get("method") not in {PAGE_PAY, WAP_PAY}:
                raise SandboxRefused("NOT_A_PAY_LINK", "the link leads to no cashier of Alipay")
            trade = await self._gateway.page(params)
            return await self.pay_trade(trade.our_id, minor, currency, again=again)
        if provider == STRIPE and STRIPE_PAGE in place.path:
            session = place.path.partition(STRIPE_PAGE)[2]
            return await self.pay_session(session, minor, currency, again=again)
        raise SandboxRefused("NOT_A_PAY_LINK", "the link leads to no cashier of this provider")

    async def pay_trade(
        self, our_id: str, minor: int | None = None, currency: str = "", *, again: bool = False
    ) -> Payment:
        """Pay a trade that is open."""
        async with self._store.transaction() as unit:
            trade = await unit.find(Payment, provider=ALIPAY, our_id=our_id)
            if trade is None:
                raise SandboxRefused("UNKNOWN_TRADE", "nobody has come with this trade's link yet")
            return await self._trades.pay(unit, trade, minor, currency, again=again)

    async def pay_session(
        self, reference: str, minor: int | None = None, currency: str = "", *, again: bool = False
    ) -> Payment:
        """Pay a Checkout Session."""
        async with self._store.transaction() as unit:
            try:
                session = await self._checkout.session(unit, reference)
            except StripeError as error:
                raise SandboxRefused("UNKNOWN_SESSION", str(error)) from error
            return await self._checkout.pay(unit, session, minor, currency, again=again)

    async def trade(self, our_id: str) -> Payment | None:
        """The newest trade with this number."""
        async with self._store.reading() as unit:
            return await unit.find(Payment, provider=ALIPAY, our_id=our_id)

    async def session(self, reference: str) -> Payment | None:
        """A session as it is now."""
        async with self._store.reading() as unit:
            try:
                return await self._checkout.session(unit, reference)
            except StripeError:
                return None


async def all_books(store: Store) -> dict[str, Any]:
    """Everything that the providers' books say; raises when they do not sum."""
    async with store.reading() as unit:
        totals = books(
            await unit.find_all(Entry, limit=BOOKS_MAX), await unit.find_all(Account, limit=BOOKS_MAX)
        )
        payments = await unit.find_all(Payment, limit=LIST_MAX)
        movements = await unit.find_all(Movement, limit=LIST_MAX)
    return {
        **totals,
        "payments": [_payment(each) for each in payments],
        "refunds": [_movement(each) for each in movements if each.kind == "refund"],
        "payouts": [_movement(each) for each in movements if each.kind != "refund"],
    }


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "provider": payment.provider,
        "reference": payment.reference,
        "our_id": payment.our_id,
        "minor": payment.received_minor or payment.minor,
        "currency": payment.received_currency or payment.currency,
        "state": payment.state,
        "fee": payment.fee,
        "refunded": payment.refunded,
        "repeats": payment.repeats,
    }


def _movement(record: Movement) -> dict[str, Any]:
    return {
        "provider": record.provider,
        "kind": record.kind,
        "reference": record.reference,
        "our_id": record.our_id,
        "payment": record.payment,
        "destination": record.destination,
        "minor": record.minor,
        "currency": record.currency,
        "state": record.state,
        "repeats": record.repeats,
        "attempts": 1 + record.repeats,
    }
