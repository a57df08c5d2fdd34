"""People and facts of the trials: Alice sells to Bob for 100 yuan, through one carrier and one provider."""

import hashlib
from typing import Final, Literal

from sps import identifiers
from sps.escrow import conversion
from sps.escrow.correction import approval_body
from sps.escrow.evidence import MEANINGS
from sps.signing import Domain
from sps.transactions.terms import DAY_MS, Fees, Terms, Tranche, terms_hash
from sps.transactions.values import ParcelStatus, ReleaseMode, WireMoney
from sps.transactions.vocabulary import (
    Accept,
    AcceptQuote,
    BookParcel,
    LockQuote,
    Offer,
    ParcelEvidence,
    PaymentCleared,
    PaymentFailed,
    PaymentPending,
    PublishRates,
    Rate,
    RequestQuote,
    ReverseRelease,
)
from sps_cli.documents.trial_world import APPROVERS, NOW_MS, TrialWorld

PRICE: Final = 10_000
CARRIER: Final = "dhl"
PROVIDER: Final = "alipay"
OTHER_CURRENCY: Final = "EUR"

Strength = Literal["L1", "L2", "L3", "elsewhere"]


def hashed(text: str) -> str:
    """Any 32 bytes, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _named(prefix: str, text: str) -> str:
    return identifiers.derived(prefix, hashlib.sha256(text.encode()).digest())


CONTRACT: Final = _named(identifiers.CONTRACT, "contract")
ALICE: Final = _named(identifiers.MERCHANT, "alice")
PAYMENT: Final = _named(identifiers.PAYMENT, "payment")
QUOTE: Final = _named(identifiers.QUOTE, "quote")
FACT: Final = _named(identifiers.EVENT, "fact")
TAG: Final = hashed("tag")
SHIP_TO: Final = hashed("ship to")
_SIGNATURE: Final = "00" * 64


def terms(
    release: ReleaseMode = "on_delivery_plus_inspection", parcels: int = 1, *, reserve: bool = False
) -> Terms:
    """One tranche and one parcel, or as many of both as wanted; with a tenth kept for a month if wanted."""
    share = PRICE // parcels
    tranches = tuple(Tranche(f"t{n}", str(share), (f"p{n}",)) for n in range(1, parcels + 1))
    return Terms(
        currency="CNY",
        price=str(PRICE),
        tranches=tranches,
        carriers=(CARRIER,),
        goods=hashed("goods"),
        ship_to=SHIP_TO,
        address=hashed("address"),
        release=release,
        fees=Fees(reserve_bp=1_000, reserve_ms=30 * DAY_MS) if reserve else Fees(),
    )


def offer(agreed: Terms) -> Offer:
    return Offer(FACT, CONTRACT, ALICE, hashed("alice"), _SIGNATURE, agreed)


def accept(agreed: Terms) -> Accept:
    return Accept(FACT, CONTRACT, terms_hash(agreed).hex(), hashed("bob"), _SIGNATURE)


def pending() -> PaymentPending:
    return PaymentPending(FACT, CONTRACT, PAYMENT, PROVIDER)


def failed() -> PaymentFailed:
    return PaymentFailed(FACT, CONTRACT, PAYMENT, PROVIDER, "refused")


def cleared(amount: int = PRICE, currency: str = "CNY", payment: str = PAYMENT) -> PaymentCleared:
    money = WireMoney(currency, str(amount))
    return PaymentCleared(FACT, CONTRACT, payment, PROVIDER, f"ref {payment} {amount}", money, hashed("raw"))


def other_payment() -> str:
    """A second attempt to pay."""
    return _named(identifiers.PAYMENT, "other payment")


def book(parcel: str = "p1", tag: str = TAG) -> BookParcel:
    return BookParcel(FACT, CONTRACT, parcel, CARRIER, tag)


def evidence(status: ParcelStatus, strength: Strength = "L2") -> ParcelEvidence:
    """What the carrier says about the first parcel; later statuses happen later."""
    stated = {"L3": SHIP_TO, "elsewhere": hashed("elsewhere")}.get(strength)
    return ParcelEvidence(
        FACT,
        CONTRACT,
        "p1",
        CARRIER,
        TAG,
        status,
        "pushed" if strength == "L1" else "signed",
        NOW_MS + list(MEANINGS).index(status),
        hashed(status + strength),
        ship_to=stated,
        document=hashed("signature") if strength == "L3" else None,
    )


def reverse_release(world: TrialWorld) -> ReverseRelease:
    """Two persons take the first tranche's release back."""
    released_at = world.contracts[CONTRACT].tranches[0].released_at
    body = approval_body(CONTRACT, "t1", released_at, "mistake")
    first, second = (signer.sign(Domain.TX, world.chain_id, body).hex() for signer in APPROVERS)
    keys = (APPROVERS[0].public_key.hex(), APPROVERS[1].public_key.hex())
    return ReverseRelease(FACT, CONTRACT, "t1", keys, (first, second), "mistake")


def publish_rates() -> PublishRates:
    return PublishRates(FACT, "ecb", "EUR", NOW_MS, hashed("rates"), (Rate("CNY", "8", "1"),))


def request_quote() -> RequestQuote:
    return RequestQuote(FACT, QUOTE, ALICE, WireMoney("CNY", str(PRICE)), OTHER_CURRENCY)


def lock_quote(world: TrialWorld) -> LockQuote:
    snapshot = world.rates
    if snapshot is None:
        raise LookupError("no rates are published in this world")
    num, den = conversion.rate_for(snapshot, "CNY", OTHER_CURRENCY)
    return LockQuote(FACT, QUOTE, snapshot.document, str(num), str(den), 50, NOW_MS + 60_000)


def accept_quote() -> AcceptQuote:
    return AcceptQuote(FACT, QUOTE)
