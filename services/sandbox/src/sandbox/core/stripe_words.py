"""Stripe's objects, events and errors as it words them; amounts in its own smallest units.

Stripe's units differ from ISO 4217 only for ISK and UGX (hundredths on the wire); `unit_exponent` knows.
"""

import hmac
import re
from typing import Any, Final

from msgspec import Struct

from sandbox.core.records import Movement, Payment
from sps.currencies import currency_of

API_VERSION: Final = "2025-09-30.clover"
PARTS_MAX: Final = 8
HUNDREDTHS: Final = frozenset({"ISK", "UGX"})
REFUND_STATES: Final = {"pending": "pending", "paid": "succeeded", "failed": "failed"}
PAYOUT_STATES: Final = {"pending": "pending", "paid": "paid", "failed": "failed", "returned": "failed"}

_PART: Final = re.compile(r"[^\[\]]+")

Form = dict[str, Any]
Shape = dict[str, Any]


class StripeError(Exception):
    """A refusal as Stripe words it."""

    def __init__(
        self, status: int, code: str, message: str, *, kind: str = "invalid_request_error", kept: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kept = kept
        """Whether the answer belongs to the Idempotency-Key for ever: the call was executed, and failed."""
        self.body: Shape = {"error": {"type": kind, "code": code, "message": message}}


class Event(Struct, frozen=True):
    """What is told: the event's type and the object that it is about."""

    kind: str
    subject: Shape


def nested(pairs: list[tuple[str, str]]) -> Form:
    """`metadata[order]=x` becomes `{"metadata": {"order": "x"}}`; list positions stay texts."""
    form: Form = {}
    for name, value in pairs:
        parts = _PART.findall(name)[:PARTS_MAX]
        if not parts:
            raise StripeError(400, "parameter_unknown", "a parameter has no name")
        place = form
        for part in parts[:-1]:
            deeper = place.setdefault(part, {})
            if not isinstance(deeper, dict):
                raise StripeError(400, "parameter_invalid", f"{name} is a value and a group")
            place = deeper
        place[parts[-1]] = value
    return form


def to_minor(units: int, currency: str) -> int:
    """Stripe's units to minor units."""
    if currency not in HUNDREDTHS:
        return units
    if units % 100:
        raise StripeError(400, "invalid_amount", f"{currency} has no decimals")
    return units // 100


def to_units(minor: int, currency: str) -> int:
    """Minor units to Stripe's units."""
    return minor * 100 if currency in HUNDREDTHS else minor


def checked_currency(text: str) -> str:
    """ISO 4217 in capitals, from Stripe's lower case."""
    currency = text.upper()
    if text != text.lower() or currency_of(currency) is None:
        raise StripeError(400, "parameter_invalid_string", f"Invalid currency: {text}")
    return currency


def signature(secret: str, stamp: int, body: bytes) -> str:
    """`Stripe-Signature`: the key is the whole secret text; `stamp` in Unix seconds."""
    mac = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha256").hex()
    return f"t={stamp},v1={mac}"


def session(payment: Payment, url: str) -> Shape:
    """A Checkout Session. It has a payment intent only once the buyer has paid."""
    status = {"open": "open", "paid": "complete", "closed": "expired"}[payment.state]
    return {
        "id": payment.session,
        "object": "checkout.session",
        "amount_total": to_units(payment.minor, payment.currency),
        "cancel_url": payment.facts.get("cancel_url"),
        "client_reference_id": payment.facts.get("client_reference_id"),
        "created": payment.created_ms // 1000,
        "currency": payment.currency.lower(),
        "expires_at": payment.expires_ms // 1000,
        "livemode": False,
        "metadata": payment.facts.get("metadata", {}),
        "mode": "payment",
        "payment_intent": payment.reference or None,
        "payment_status": "paid" if payment.state == "paid" else "unpaid",
        "status": status,
        "success_url": payment.return_url,
        "url": url if payment.state == "open" else None,
    }


def intent(payment: Payment, *, expanded: bool) -> Shape:
    """A Payment Intent; `expanded` with its charge and balance transaction inside."""
    currency = payment.received_currency
    amount = to_units(payment.received_minor, currency)
    return {
        "id": payment.reference,
        "object": "payment_intent",
        "amount": amount,
        "amount_received": amount,
        "created": payment.paid_ms // 1000,
        "currency": currency.lower(),
        "latest_charge": charge(payment) if expanded else charge_id(payment),
        "livemode": False,
        "metadata": payment.facts.get("intent_metadata", {}),
        "status": "succeeded",
        "transfer_group": payment.facts.get("transfer_group"),
    }


def charge_id(payment: Payment) -> str:
    return "ch_" + payment.reference.removeprefix("pi_")


def charge(payment: Payment) -> Shape:
    """The charge with what was booked for it: amount, fee and net."""
    currency = payment.received_currency
    amount, fee = to_units(payment.received_minor, currency), to_units(payment.fee, currency)
    return {
        "id": charge_id(payment),
        "object": "charge",
        "amount": amount,
        "amount_refunded": to_units(payment.refunded, currency),
        "currency": currency.lower(),
        "metadata": payment.facts.get("intent_metadata", {}),
        "payment_intent": payment.reference,
        "status": "succeeded",
        "balance_transaction": {
            "id": "txn_" + payment.reference.removeprefix("pi_"),
            "object": "balance_transaction",
            "amount": amount,
            "currency": currency.lower(),
            "fee": fee,
            "net": amount - fee,
            "type": "charge",
        },
    }


def movement(record: Movement) -> Shape:
    """A refund, payout or transfer."""
    shape: Shape = {
        "id": record.reference,
        "object": record.kind,
        "amount": to_units(record.minor, record.currency),
        "created": record.created_ms // 1000,
        "currency": record.currency.lower(),
        "metadata": record.facts.get("metadata", {}),
    }
    failure = record.facts.get("failure") if record.state in {"failed", "returned"} else None
    if record.kind == "refund":
        return shape | {
            "payment_intent": record.payment,
            "status": REFUND_STATES[record.state],
            "failure_reason": failure,
        }
    shape |= {"destination": record.destination or None, "livemode": False}
    if record.kind == "payout":
        return shape | {"status": PAYOUT_STATES[record.state], "failure_code": failure, "method": "standard"}
    reversed_ = record.state == "returned"
    return shape | {
        "amount_reversed": shape["amount"] if reversed_ else 0,
        "reversed": reversed_,
        "transfer_group": record.facts.get("transfer_group"),
    }


def listed(path: str, shapes: list[Shape], *, has_more: bool) -> Shape:
    """One page of a list."""
    return {"object": "list", "url": f"/v1/{path}", "has_more": has_more, "data": shapes}


def envelope(event: Event, event_id: str, created_s: int) -> Shape:
    """An event around its object."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created_s,
        "data": {"object": event.subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event.kind,
    }
