"""From what a merchant writes to the terms that are signed: personal data becomes salted commitments.

The salts and the data stay in the service's database and can be erased; the terms stay valid.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from sps.canonical import encode
from sps.money import Money
from sps.signing import commitment
from sps.transactions.terms import Clocks, Fees, PayoutWish, Terms, Tranche

SALT_BYTES: Final = 32
POSTCODE_MAX: Final = 12

_POSTCODE: Final = re.compile(rf"[A-Z0-9-]{{1,{POSTCODE_MAX}}}", re.ASCII)


class BadDestination(ValueError):
    """No carrier could confirm this postcode; the message says what is expected."""


class ShipTo(Struct, frozen=True):
    """The delivery address as the merchant gave it."""

    name: str
    street: str
    city: str
    postcode: str
    country: str


class Salts(Struct, frozen=True):
    """One fresh salt of 32 random bytes per commitment."""

    goods: bytes
    ship_to: bytes
    address: bytes


class Wish(Struct, frozen=True):
    """A contract as wanted: everything but the commitments."""

    amount: Money
    description: str
    ship_to: ShipTo
    carriers: tuple[str, ...]
    release: str
    min_level: int
    tranches: tuple[Tranche, ...]
    clocks: Clocks
    fees: Fees
    tolerance: int
    payout: PayoutWish | None


def destination(country: str, postcode: str) -> str:
    """The part of an address that a carrier can confirm: `DE|10115`, capitals, without white space.

    The carrier gateway spells it the same way and recomputes the commitment (`docs/protocol.md`,
    commitments): another spelling here would make every delivery look like one to a wrong address.
    """
    spelled = re.sub(r"\s", "", postcode).upper()
    if not _POSTCODE.fullmatch(spelled):
        raise BadDestination(f"a postcode has 1 to {POSTCODE_MAX} letters A-Z, digits and hyphens")
    return f"{country.strip().upper()}|{spelled}"


def draft(wish: Wish, salts: Salts) -> Terms:
    """Build the terms; whether they may stand is checked by the contract itself."""
    return Terms(
        currency=wish.amount.currency,
        price=str(wish.amount.minor),
        tranches=wish.tranches or _one_tranche(wish.amount.minor),
        carriers=wish.carriers,
        goods=commitment(salts.goods, wish.description).hex(),
        ship_to=commitment(salts.ship_to, destination(wish.ship_to.country, wish.ship_to.postcode)).hex(),
        address=commitment(salts.address, _spelled(wish.ship_to)).hex(),
        release="on_delivery" if wish.release == "on_delivery" else "on_delivery_plus_inspection",
        min_level=wish.min_level,
        tolerance=str(wish.tolerance),
        clocks=wish.clocks,
        fees=wish.fees,
        payout=wish.payout,
    )


def parcels_of(tranches: Sequence[Tranche]) -> tuple[str, ...]:
    """The parcels that the tranches name, each once, in order."""
    return tuple(dict.fromkeys(parcel for tranche in tranches for parcel in tranche.parcels))


def _one_tranche(minor: int) -> tuple[Tranche, ...]:
    return (Tranche("t1", str(minor), ("p1",)),)


def _spelled(ship_to: ShipTo) -> str:
    return encode([ship_to.name, ship_to.street, ship_to.city, ship_to.postcode, ship_to.country]).decode()
