"""Normal forms: one spelling for everything that is compared, hashed or made unique.

A tracking number, a postcode and a country arrive in many spellings; two spellings of one thing must have one
tag and one commitment (`docs/protocol.md`, commitments). Pure.
"""

import hmac
import re
from typing import Final

from msgspec import Struct

from sps.signing import commitment
from sps.transactions.values import Handover

NUMBER_CHARS_MIN: Final = 4
NUMBER_CHARS_MAX: Final = 40
POSTCODE_CHARS_MAX: Final = 12
PEPPER_BYTES: Final = 32
ZIP_DIGITS: Final = 5

_NUMBER: Final = re.compile(rf"[A-Z0-9]{{{NUMBER_CHARS_MIN},{NUMBER_CHARS_MAX}}}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)
_POSTCODE: Final = re.compile(rf"[A-Z0-9-]{{1,{POSTCODE_CHARS_MAX}}}", re.ASCII)
_SEPARATORS: Final = re.compile(r"[ \-]", re.ASCII)
_SPACES: Final = re.compile(r"\s")

_HANDOVERS: Final[tuple[tuple[re.Pattern[str], Handover], ...]] = (
    (re.compile(r"neighbou?r", re.IGNORECASE), "neighbour"),
    (re.compile(r"locker|packstation|parcel box", re.IGNORECASE), "locker"),
    (
        re.compile(r"safe ?(place|location)|porch|front door|left at|mail ?box|garage", re.IGNORECASE),
        "safe_place",
    ),
    (re.compile(r"household|family member|reception", re.IGNORECASE), "household"),
    (re.compile(r"(handed|given|delivered) .*(recipient|consignee|addressee)", re.IGNORECASE), "recipient"),
)
"""Ordered: the first that matches names who took the parcel. What caps the evidence stands first."""


class BadForm(ValueError):
    """The text has no normal form; the message says what is expected."""


class Destination(Struct, frozen=True):
    """The part of an address that a carrier can confirm, in normal form."""

    country: str
    postcode: str


def normal_number(text: str) -> str:
    """Spell a tracking number in capitals without spaces and hyphens; `BadForm` when it cannot be one."""
    number = _SEPARATORS.sub("", text).upper()
    if not _NUMBER.fullmatch(number):
        raise BadForm(
            f"a tracking number has {NUMBER_CHARS_MIN} to {NUMBER_CHARS_MAX} letters A-Z and digits;"
            " spaces and hyphens are ignored"
        )
    return number


def normal_destination(country: str, postcode: str) -> Destination:
    """Spell a country in capitals and a postcode in capitals without spaces; raise `BadForm` otherwise."""
    upper_country, upper_postcode = country.strip().upper(), _SPACES.sub("", postcode).upper()
    if not _COUNTRY.fullmatch(upper_country):
        raise BadForm("a country is two letters of ISO 3166-1, such as DE")
    if not _POSTCODE.fullmatch(upper_postcode):
        raise BadForm(f"a postcode has 1 to {POSTCODE_CHARS_MAX} letters A-Z, digits and hyphens")
    return Destination(upper_country, upper_postcode)


def as_booked(booked: Destination | None, stated: Destination) -> Destination:
    """The booked spelling of a place when the carrier states the same place in its own spelling.

    Carriers write or drop hyphens (`00-950`, `00950`) and the last four digits of a US ZIP code. The contract
    knows one spelling; another place stays what the carrier stated, and the contract sees that it differs.
    """
    if booked is not None and _loosely(booked) == _loosely(stated):
        return booked
    return stated


def _loosely(place: Destination) -> tuple[str, str]:
    postcode = place.postcode.replace("-", "")
    return place.country, postcode[:ZIP_DIGITS] if place.country == "US" else postcode


def ship_to(destination: Destination, salt: bytes) -> str:
    """The commitment of the terms, recomputed: hex of HMAC-SHA256(salt, `country|postcode`)."""
    return commitment(salt, f"{destination.country}|{destination.postcode}").hex()


def tracking_tag(pepper: bytes, carrier: str, number: str) -> str:
    """The name of a tracking number on the chain: hex of HMAC-SHA256(pepper, `carrier|NUMBER`).

    A plain hash of a 12-digit number could be guessed in minutes; the pepper never leaves the gateway.
    """
    if len(pepper) != PEPPER_BYTES:
        raise ValueError(f"a pepper has {PEPPER_BYTES} bytes")
    return hmac.digest(pepper, f"{carrier}|{number}".encode(), "sha256").hex()


def handover_of(text: str) -> Handover:
    """Who or what took the parcel, as far as the carrier's words say so."""
    return next((handover for pattern, handover in _HANDOVERS if pattern.search(text)), "unknown")
