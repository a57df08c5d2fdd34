"""Every fact that can enter the chain, one frozen value each. Tags are never reused; see `schemas/`.

Who may send which: `ROLE_OF`. Facts of the world carry natural keys (payment, refund, payout, evidence),
so that a repeat is told from a conflict without remembering every event for ever.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from sps.transactions.terms import Terms
from sps.transactions.values import (
    BasisPoints,
    CurrencyCode,
    Digits,
    DigitsOrZero,
    EvidenceOrigin,
    Handover,
    Hex32,
    Hex64,
    Identifier,
    Milliseconds,
    Name,
    OneSpelling,
    ParcelStatus,
    Reference,
    WireMoney,
)

API: Final = "api"
CARRIER: Final = "carrier"
PAYMENT: Final = "payment"
SETTLEMENT: Final = "settlement"
OPERATOR: Final = "operator"


class Fact(OneSpelling, frozen=True, tag_field="type", forbid_unknown_fields=True, omit_defaults=True):
    """What every transaction has: the identifier given by the service that vouches for it."""

    id: Identifier


# --- parties, by contract-api ------------------------------------------------------------------


class Offer(Fact, frozen=True, tag="contract.offer.v1"):
    """F1: the seller signs the terms and opens the contract."""

    contract: Identifier
    seller: Identifier
    seller_key: Hex32
    signature: Hex64
    terms: Terms


class Accept(Fact, frozen=True, tag="contract.accept.v1"):
    """F2: the buyer signs the same terms hash."""

    contract: Identifier
    terms_hash: Hex32
    buyer_key: Hex32
    signature: Hex64


class Decline(Fact, frozen=True, tag="contract.decline.v1"):
    """F3: the buyer does not want it."""

    contract: Identifier


class Withdraw(Fact, frozen=True, tag="contract.withdraw.v1"):
    """F5: the seller takes the offer back while nothing is paid."""

    contract: Identifier


class Cancel(Fact, frozen=True, tag="contract.cancel.v1"):
    """F19: the seller cancels before hand-over; also the seller's yes to `RequestCancel`."""

    contract: Identifier


class RequestCancel(Fact, frozen=True, tag="contract.request_cancel.v1"):
    """F20: the buyer asks to cancel before hand-over; silence of the seller means yes."""

    contract: Identifier


class RefuseCancel(Fact, frozen=True, tag="contract.refuse_cancel.v1"):
    """F20: the seller says no."""

    contract: Identifier


class AcceptGoods(Fact, frozen=True, tag="contract.accept_goods.v1"):
    """M5, D12, M13: the buyer releases the named tranches (none named: all that are held)."""

    contract: Identifier
    tranches: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()


class RequestQuote(Fact, frozen=True, tag="quote.request.v1"):
    """S2: the seller asks for a rate for an amount that is free to pay out."""

    quote: Identifier
    seller: Identifier
    amount: WireMoney
    to: CurrencyCode


class AcceptQuote(Fact, frozen=True, tag="quote.accept.v1"):
    """S2, P31: the seller accepts the locked quote; the conversion is executed at once."""

    quote: Identifier


class RequestPayout(Fact, frozen=True, tag="payout.request.v1"):
    """S1, P60: the seller cashes out to a beneficiary that the payment gateway knows by its commitment."""

    payout: Identifier
    seller: Identifier
    amount: WireMoney
    provider: Name
    beneficiary: Hex32


# --- carriers ----------------------------------------------------------------------------------


class BookParcel(Fact, frozen=True, tag="parcel.book.v1"):
    """D1: a tracking number, known by its tag, is bound to one parcel of one contract."""

    contract: Identifier
    parcel: Name
    carrier: Name
    tag: Hex32


class ParcelEvidence(Fact, frozen=True, tag="parcel.evidence.v1"):
    """D4-D15: one thing that a carrier said. The contract, not the gateway, derives its level."""

    contract: Identifier
    parcel: Name
    carrier: Name
    tag: Hex32
    status: ParcelStatus
    origin: EvidenceOrigin
    occurred_ms: Milliseconds
    """The carrier's own time of the event."""
    raw: Hex32
    """SHA-256 of the carrier's message as received."""
    ship_to: Hex32 | None = None
    """The contract's commitment, recomputed from the destination that the carrier states."""
    document: Hex32 | None = None
    """SHA-256 of the proof of delivery (signature, photo)."""
    handover: Handover = "unknown"


# --- payment providers -------------------------------------------------------------------------


class PaymentPending(Fact, frozen=True, tag="payment.pending.v1"):
    """F7: the buyer is at the provider."""

    contract: Identifier
    payment: Identifier
    provider: Name


class PaymentCleared(Fact, frozen=True, tag="payment.cleared.v1"):
    """F8-F11, F18: the provider confirms that it holds the buyer's money for us."""

    contract: Identifier
    payment: Identifier
    provider: Name
    reference: Reference
    amount: WireMoney
    raw: Hex32


class PaymentFailed(Fact, frozen=True, tag="payment.failed.v1"):
    """The buyer's attempt ended without money."""

    contract: Identifier
    payment: Identifier
    provider: Name
    reason: Name


class ProviderFee(Fact, frozen=True, tag="provider.fee.v1"):
    """P04: the provider kept a fee for a payment."""

    payment: Identifier
    provider: Name
    amount: WireMoney
    raw: Hex32


class ProviderSettled(Fact, frozen=True, tag="provider.settled.v1"):
    """P12: the provider sends its balance to our bank: `net` under way, `fee` netted and not yet booked."""

    provider: Name
    sweep: Name
    net: WireMoney
    fee: DigitsOrZero = "0"


class RefundPaid(Fact, frozen=True, tag="refund.paid.v1"):
    """P41: the provider gave the buyer's money back."""

    contract: Identifier
    refund: Identifier
    reference: Reference


class RefundFailed(Fact, frozen=True, tag="refund.failed.v1"):
    """P42: the rail did not take it back; the money waits for a new method."""

    contract: Identifier
    refund: Identifier
    reason: Name


class PayoutHeld(Fact, frozen=True, tag="payout.held.v1"):
    """S7: the provider or bank holds the payout."""

    payout: Identifier
    reason: Name


class PayoutPaid(Fact, frozen=True, tag="payout.paid.v1"):
    """S4, P61: the provider debited us and pays the beneficiary."""

    payout: Identifier
    reference: Reference
    raw: Hex32


class PayoutFailed(Fact, frozen=True, tag="payout.failed.v1"):
    """S6, P63: refused before debit; the money is the seller's, unpaid."""

    payout: Identifier
    reason: Name


class PayoutReturned(Fact, frozen=True, tag="payout.returned.v1"):
    """S6, P64: came back after it was paid; `amount` arrived, the rest is the provider's fee."""

    payout: Identifier
    amount: WireMoney
    reason: Name


class PayoutManual(Fact, frozen=True, tag="payout.manual.v1"):
    """S5: the outcome stayed unknown for too long; a person looks at it."""

    payout: Identifier
    reason: Name


# --- settlement --------------------------------------------------------------------------------


class Rate(Struct, frozen=True, forbid_unknown_fields=True):
    """One unit of the snapshot's base = num/den units of `quote`, exactly as published."""

    quote: CurrencyCode
    num: Digits
    den: Digits


class PublishRates(Fact, frozen=True, tag="rates.publish.v1"):
    """A rate snapshot: the document's hash and the exact ratios read from it."""

    source: Name
    base: CurrencyCode
    as_of_ms: Milliseconds
    document: Hex32
    rates: Annotated[tuple[Rate, ...], Meta(min_length=1, max_length=200)]


class LockQuote(Fact, frozen=True, tag="quote.lock.v1"):
    """P30: the rate num/den (units of `to` per unit of the asked currency) is offered until `expires_ms`."""

    quote: Identifier
    document: Hex32
    num: Digits
    den: Digits
    spread_bp: BasisPoints
    expires_ms: Milliseconds


# --- operators ---------------------------------------------------------------------------------


class ReverseRelease(Fact, frozen=True, tag="release.reverse.v1"):
    """P24: two persons take back a release that is not paid out; the tranche is held again."""

    contract: Identifier
    tranche: Name
    approvers: tuple[Hex32, Hex32]
    signatures: tuple[Hex64, Hex64]
    reason: Name


Transaction = (
    Offer
    | Accept
    | Decline
    | Withdraw
    | Cancel
    | RequestCancel
    | RefuseCancel
    | AcceptGoods
    | RequestQuote
    | AcceptQuote
    | RequestPayout
    | BookParcel
    | ParcelEvidence
    | PaymentPending
    | PaymentCleared
    | PaymentFailed
    | ProviderFee
    | ProviderSettled
    | RefundPaid
    | RefundFailed
    | PayoutHeld
    | PayoutPaid
    | PayoutFailed
    | PayoutReturned
    | PayoutManual
    | PublishRates
    | LockQuote
    | ReverseRelease
)

ROLE_OF: Final[dict[type[Fact], str]] = {
    Offer: API,
    Accept: API,
    Decline: API,
    Withdraw: API,
    Cancel: API,
    RequestCancel: API,
    RefuseCancel: API,
    AcceptGoods: API,
    RequestQuote: API,
    AcceptQuote: API,
    RequestPayout: API,
    BookParcel: CARRIER,
    ParcelEvidence: CARRIER,
    PaymentPending: PAYMENT,
    PaymentCleared: PAYMENT,
    PaymentFailed: PAYMENT,
    ProviderFee: PAYMENT,
    ProviderSettled: PAYMENT,
    RefundPaid: PAYMENT,
    RefundFailed: PAYMENT,
    PayoutHeld: PAYMENT,
    PayoutPaid: PAYMENT,
    PayoutFailed: PAYMENT,
    PayoutReturned: PAYMENT,
    PayoutManual: PAYMENT,
    PublishRates: SETTLEMENT,
    LockQuote: SETTLEMENT,
    ReverseRelease: OPERATOR,
}
"""The role of a registered producer that may send each kind."""
