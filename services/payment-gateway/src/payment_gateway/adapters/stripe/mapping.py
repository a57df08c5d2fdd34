"""Stripe's objects, words and amounts in ours. Everything read is checked like hostile input.

Amounts: integers of Stripe's own smallest units; some currencies go in steps (three decimals: tens;
ISK and UGX: hundreds, though they have no decimals).
"""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from payment_gateway.core.outcome import Accepted, Outcome, Rejected, Returned, Sent, Unknown
from payment_gateway.core.payment import Found
from payment_gateway.core.units import ProviderUnit, Units, from_provider, unit_table
from payment_gateway.core.words import is_reference, reason_name
from sps.money import Money

T = TypeVar("T")

AMOUNT_MAX: Final = 99_999_999
"""Eight digits."""
MINIMUM_CHARGE: Final = 50
URL_MAX: Final = 4_096
STEP_THREE_DECIMALS: Final = 10
STEP_WHOLE: Final = 100

_TWO_DECIMALS: Final = frozenset(
    {
        "AED", "AUD", "BAM", "BGN", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF",
        "IDR", "ILS", "INR", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "SAR", "SEK", "SGD", "THB",
        "TRY", "TWD", "USD", "ZAR",
    }
)  # fmt: skip
_NO_DECIMALS: Final = frozenset(
    {
        "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF",
        "XPF",
    }
)  # fmt: skip
_THREE_DECIMALS: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
_HUNDREDTHS_OF_WHOLE: Final = frozenset({"ISK", "UGX"})
_WHOLE_IN_PAYOUTS: Final = frozenset({"HUF", "TWD"})
_MINIMUM: Final = {
    "AED": 200, "BGN": 100, "CNY": 400, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500,
    "MXN": 1000, "MYR": 200, "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
}  # fmt: skip
"""Smallest charges that differ from 50 units."""


def _units(minimum: int | None, *, payout: bool) -> list[ProviderUnit]:
    steps = {code: STEP_WHOLE for code in _WHOLE_IN_PAYOUTS if payout}
    return [
        ProviderUnit(
            code,
            exponent,
            _MINIMUM.get(code, MINIMUM_CHARGE) if minimum is None else minimum,
            AMOUNT_MAX,
            step,
        )
        for codes, exponent, usual in (
            (_TWO_DECIMALS, 2, 1),
            (_NO_DECIMALS, 0, 1),
            (_THREE_DECIMALS, 3, STEP_THREE_DECIMALS),
            (_HUNDREDTHS_OF_WHOLE, 2, STEP_WHOLE),
        )
        for code in codes
        for step in (steps.get(code, usual),)
    ]


UNITS: Final = Units(
    pay_in=unit_table(_units(None, payout=False)),
    refund=unit_table(_units(1, payout=False)),
    payout=unit_table(_units(1, payout=True)),
)


class BadObject(ValueError):
    """Authentic, but not what was asked for."""


class Session(Struct):
    """A Checkout Session."""

    id: str
    client_reference_id: str | None = None
    url: str | None = None
    status: str | None = None
    payment_intent: str | None = None


class BalanceTransaction(Struct):
    """What Stripe booked for a charge; `fee` in units of `currency`."""

    id: str
    fee: int
    currency: str


class Charge(Struct):
    """The charge behind a payment intent."""

    id: str
    balance_transaction: BalanceTransaction | str | None = None


class PaymentIntent(Struct):
    """A payment, asked for with its charge and balance transaction expanded."""

    id: str
    status: str
    currency: str
    amount_received: int = 0
    metadata: dict[str, str] = {}
    latest_charge: Charge | str | None = None


class Movement(Struct):
    """A refund, payout or transfer."""

    id: str
    amount: int
    currency: str
    status: str | None = None
    metadata: dict[str, str] = {}
    transfer_group: str | None = None
    failure_code: str | None = None
    failure_reason: str | None = None
    amount_reversed: int = 0
    reversed: bool = False


class MovementPage(Struct):
    """One page of a list of refunds, payouts or transfers."""

    data: list[Movement]
    has_more: bool = False


class IntentPage(Struct):
    """One page of a search for payment intents."""

    data: list[PaymentIntent]


class ErrorBody(Struct):
    """`error` of a refusal."""

    type: str = ""
    code: str = ""


class Failure(Struct):
    """A refusal."""

    error: ErrorBody


def open_session(raw: bytes, payment: str) -> Session:
    """A session for this payment to which a buyer can go; `BadObject` for anything else."""
    session = read(raw, Session)
    if session.client_reference_id != payment or not is_reference(session.id):
        raise BadObject("the session is not the one that was asked for")
    url = session.url or ""
    if not url.startswith(("https://", "http://")) or len(url) > URL_MAX or not url.isascii():
        raise BadObject("the session has no address")
    if not url.isprintable():
        raise BadObject("no browser could go to the session's address")
    return session


def found_intent(intent: PaymentIntent, payment: str, raw: bytes) -> Found:
    """The payment intent is the evidence: its received amount and currency, whatever was asked for."""
    if intent.metadata.get("payment") != payment or not is_reference(intent.id):
        raise BadObject("the payment intent is another payment's")
    if intent.status == "canceled":
        return Found("failed", raw, intent.id, reason="canceled")
    if intent.status != "succeeded":
        return Found("pending", raw, intent.id)
    amount = from_provider(intent.amount_received, intent.currency.upper(), UNITS.pay_in)
    if amount.minor <= 0:
        raise BadObject("a payment that succeeded without money")
    fee = _fee(intent)
    return Found("succeeded", raw, intent.id, amount=amount, fee=fee, fee_follows=fee is None)


def _fee(intent: PaymentIntent) -> Money | None:
    charge = intent.latest_charge
    booked = charge.balance_transaction if isinstance(charge, Charge) else None
    if not isinstance(booked, BalanceTransaction):
        return None
    return from_provider(booked.fee, booked.currency.upper(), UNITS.pay_in)


def refund_outcome(refund: Movement, raw: bytes) -> Outcome:
    """`succeeded` may still become `failed`; the order is looked at again for that."""
    match refund.status:
        case "succeeded":
            return Sent(refund.id, raw)
        case "pending" | "requires_action":
            return Accepted(refund.id, raw)
        case "failed" | "canceled":
            return Rejected(_why(refund), raw)
        case other:
            return Unknown(reason_name(other or "no_status"))


def payout_outcome(payout: Movement, raw: bytes) -> Outcome:
    """`paid` may still become `failed`."""
    match payout.status:
        case "paid":
            return Sent(payout.id, raw)
        case "pending" | "in_transit":
            return Accepted(payout.id, raw)
        case "failed" | "canceled":
            return Returned(_why(payout), None, raw)
        case other:
            return Unknown(reason_name(other or "no_status"))


def transfer_outcome(transfer: Movement, raw: bytes) -> Outcome:
    """A transfer is made at once; what comes back is a reversal."""
    if transfer.reversed or transfer.amount_reversed >= transfer.amount > 0:
        amount = from_provider(transfer.amount, transfer.currency.upper(), UNITS.payout)
        return Returned("reversed", amount, raw)
    return Sent(transfer.id, raw)


def same_amount(movement: Movement, units: int, currency: str) -> bool:
    """Tell whether the object moves exactly what was ordered."""
    return movement.amount == units and movement.currency.upper() == currency


def _why(movement: Movement) -> str:
    return reason_name(movement.failure_code or movement.failure_reason or movement.status or "unknown")


def read(body: bytes, kind: type[T]) -> T:
    """Read an object; raises `BadObject` when it is not of this shape."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadObject(str(error)) from error
