"""The terms of a contract: what both parties sign. No personal data, only commitments to it.

What may stand in them is checked by `sps.escrow.terms_check`; the terms hash is over the canonical bytes.
"""

import hashlib
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from sps.transactions.spelling import text_form
from sps.transactions.values import (
    PARCELS_MAX,
    TRANCHES_MAX,
    BasisPoints,
    CurrencyCode,
    Digits,
    DigitsOrZero,
    Hex32,
    Milliseconds,
    Name,
    OneSpelling,
    ReleaseMode,
    one_spelling,
)

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


class Clocks(OneSpelling, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Durations in milliseconds of block time (`docs/life-of-a-contract.md`, clocks)."""

    offer_ttl: Milliseconds = 5 * DAY_MS
    pay_ttl: Milliseconds = 10 * DAY_MS
    topup_ttl: Milliseconds = 3 * DAY_MS
    ship_by: Milliseconds = 4 * DAY_MS
    first_scan: Milliseconds = 5 * DAY_MS
    deliver_by: Milliseconds = 30 * DAY_MS
    inspection: Milliseconds = 3 * DAY_MS
    cancel_answer: Milliseconds = DAY_MS
    late_return: Milliseconds = 3 * DAY_MS
    max_hold: Milliseconds = 90 * DAY_MS


class Fees(OneSpelling, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is taken from the seller's part at release; shares in basis points, sums in minor units."""

    fee_bp: BasisPoints = 0
    tax_bp: BasisPoints = 0
    tax_country: Annotated[str, text_form(r"^(?:[A-Z]{2})?(?!\n)$")] = ""
    freight: DigitsOrZero = "0"
    cancel: DigitsOrZero = "0"
    reserve_bp: BasisPoints = 0
    reserve_ms: Milliseconds = 0
    plan: Name = "standard"


class Tranche(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A unit of money (`amount` in minor units), released when all its parcels are delivered."""

    id: Name
    amount: Digits
    parcels: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=PARCELS_MAX)]


class PayoutWish(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Pay out at once after a release: through which provider, to which committed beneficiary."""

    provider: Name
    beneficiary: Hex32


class Terms(OneSpelling, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole agreement. Sum of the tranches = `price` (minor units of `currency`)."""

    currency: CurrencyCode
    price: Digits
    tranches: Annotated[tuple[Tranche, ...], Meta(min_length=1, max_length=TRANCHES_MAX)]
    carriers: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=10)]
    goods: Hex32
    """Salted commitment to the description of the goods."""
    ship_to: Hex32
    """Salted commitment to `country|postcode`, the part of the address that a carrier can confirm."""
    address: Hex32
    """Salted commitment to the full delivery address."""
    release: ReleaseMode = "on_delivery_plus_inspection"
    min_level: Annotated[int, Meta(ge=1, le=4)] = 3
    """Lowest evidence level (L1 to L4) that releases without the buyer's word."""
    tolerance: DigitsOrZero = "0"
    """A shortfall up to this many minor units still counts as paid, at the seller's expense."""
    clocks: Clocks = Clocks()
    fees: Fees = Fees()
    payout: PayoutWish | None = None


_encoder: Final = msgspec.json.Encoder(order="sorted")


def terms_bytes(terms: Terms) -> bytes:
    """The canonical bytes of the terms."""
    return _encoder.encode(one_spelling(terms))


def terms_hash(terms: Terms) -> bytes:
    """SHA-256 of the canonical bytes: what seller and buyer sign under `Domain.TX`."""
    return hashlib.sha256(terms_bytes(terms)).digest()


def read_terms_hash(terms: Terms) -> str:
    """The hex of `terms_hash` for terms that were read from the wire, which have their one spelling."""
    return hashlib.sha256(_encoder.encode(terms)).hexdigest()
