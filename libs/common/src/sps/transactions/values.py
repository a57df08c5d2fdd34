"""The small values that transactions are made of.

The forms of texts are checked by `sps.transactions.spelling`, everything else by msgspec.
"""

from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import fields, force_setattr

from sps.money import Money
from sps.transactions.spelling import text_form

Hex32 = Annotated[str, text_form(r"^[0-9a-f]{64}(?!\n)$")]
"""32 bytes as lower-case hex: a hash, a commitment or a public key."""

Hex64 = Annotated[str, text_form(r"^[0-9a-f]{128}(?!\n)$")]
"""64 bytes as lower-case hex: an Ed25519 signature."""

Digits = Annotated[str, text_form(r"^[1-9][0-9]{0,17}(?!\n)$")]
"""A positive integer as a string of digits, below 10^18."""

DigitsOrZero = Annotated[str, text_form(r"^(?:0|[1-9][0-9]{0,17})(?!\n)$")]
"""An integer of at least zero as a string of digits, below 10^18."""

CurrencyCode = Annotated[str, text_form(r"^[A-Z]{3}(?!\n)$")]
Identifier = Annotated[str, text_form(r"^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}(?!\n)$")]
Name = Annotated[str, text_form(r"^[a-z0-9][a-z0-9_.-]{0,39}(?!\n)$")]
"""A short name chosen by us: a tranche, a parcel, a carrier, a provider, a reason."""

Reference = Annotated[str, Meta(min_length=1, max_length=128)]
"""A provider's own number; never personal data."""

Milliseconds = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""Unix time or a duration, in milliseconds."""

BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]

TRANCHES_MAX: Final = 50
PARCELS_MAX: Final = 50


class OneSpelling(Struct, frozen=True, gc=False):
    """Its fields that equal their defaults are left out on the wire.

    The encoder leaves a default out only when it is the very same object; what is read from the wire has
    it so, what a program makes goes through `one_spelling`. Otherwise equal values had two hashes.
    """


S = TypeVar("S", bound=OneSpelling)


def one_spelling(value: S) -> S:
    """The same value; what equals a field's default becomes the default itself, in all its parts."""
    for name, default in _defaults(type(value)):
        part = getattr(value, name)
        if part is not default and part == default:
            force_setattr(value, name, default)
    for name in _nested(type(value)):
        part = getattr(value, name)
        if isinstance(part, OneSpelling):
            one_spelling(part)
    return value


@cache
def _defaults(kind: type[Struct]) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in fields(kind) if not field.required)


@cache
def _nested(kind: type[Struct]) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in fields(kind)
        if isinstance(field.type, type) and issubclass(field.type, OneSpelling)
    )


class WireMoney(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Money on the wire: `{"currency": "CNY", "minor": "12345"}`; more than zero."""

    currency: CurrencyCode
    minor: Digits

    @property
    def money(self) -> Money:
        return Money(int(self.minor), self.currency)


def wire(money: Money) -> WireMoney:
    """Spell an amount for the wire."""
    return WireMoney(money.currency, str(money.minor))


ReleaseMode = Literal["on_delivery", "on_delivery_plus_inspection"]
"""`on_delivery`: released by the delivery itself, from evidence level L3. Otherwise after the inspection."""

EvidenceOrigin = Literal["pushed", "pulled", "signed"]
"""How the gateway came to know it: an unsigned push (a hint), its own query, a signed message."""

ParcelStatus = Literal[
    "label_created",
    "picked_up",
    "in_transit",
    "out_for_delivery",
    "attempted",
    "at_pickup",
    "delivered",
    "exception",
    "returning",
    "returned",
    "lost",
    "damaged",
]

Handover = Literal["recipient", "neighbour", "locker", "safe_place", "household", "unknown"]
"""Who or what took the parcel; all but `recipient` and `unknown` cap the evidence at L2."""
