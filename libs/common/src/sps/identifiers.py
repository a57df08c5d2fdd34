"""Identifiers: a prefix that says what it names, and 26 characters of a UUIDv7 in base 32.

Time and randomness are arguments, so that cores can take identifiers as values.
"""

import re
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
"""Two characters for ten bits: half the steps of one by one."""
_SHIFTS: Final = tuple(range(120, -1, -10))
_BODY: Final = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)
RANDOM_BYTES: Final = 10

CONTRACT: Final = "ctr"
EVENT: Final = "evt"
PAYMENT: Final = "pay"
REFUND: Final = "rfd"
PAYOUT: Final = "pyo"
QUOTE: Final = "quo"
MERCHANT: Final = "mer"
API_KEY: Final = "key"
REQUEST: Final = "req"

PREFIXES: Final = frozenset({CONTRACT, EVENT, PAYMENT, REFUND, PAYOUT, QUOTE, MERCHANT, API_KEY, REQUEST})


class BadIdentifier(ValueError):
    """The text is not an identifier of the kind that was asked for."""


def make(prefix: str, unix_ms: int, randomness: bytes) -> str:
    """Build an identifier from a prefix, milliseconds since 1970 and 10 random bytes (RFC 9562, UUIDv7)."""
    if prefix not in PREFIXES or len(randomness) != RANDOM_BYTES or not 0 <= unix_ms < 2**48:
        raise BadIdentifier("an identifier needs a known prefix, 48 bits of time and 10 random bytes")
    tail = int.from_bytes(randomness, "big")
    value = (unix_ms << 80) | (0x7 << 76) | ((tail >> 64 & 0xFFF) << 64) | (0b10 << 62) | (tail & (2**62 - 1))
    return f"{prefix}_{_base32(value)}"


def derived(prefix: str, digest: bytes) -> str:
    """Build the identifier that follows from a 32-byte digest; the same cause has the same identifier."""
    if prefix not in PREFIXES or len(digest) < 16:  # noqa: PLR2004 128 bits are the body
        raise BadIdentifier("a derived identifier needs a known prefix and at least 16 bytes")
    return f"{prefix}_{_base32(int.from_bytes(digest[:16], 'big'))}"


def check(text: str, prefix: str) -> str:
    """Return the text when it is an identifier with this prefix; raise `BadIdentifier` otherwise."""
    head, _, body = text.partition("_")
    if head != prefix or not _BODY.fullmatch(body):
        raise BadIdentifier(f"expected an identifier like {prefix}_01jd…, 26 characters after the underscore")
    return text


def _base32(value: int) -> str:
    pairs = _PAIRS
    return "".join([pairs[value >> shift & 1023] for shift in _SHIFTS])
