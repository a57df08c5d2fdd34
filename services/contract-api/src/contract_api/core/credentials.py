"""Secrets that we hand out: a prefix that says what it is, 30 random base-62 digits, a checksum of six.

The checksum lets scanners and ourselves refuse a typo before any query. Only SHA-256 of a secret is stored:
178 random bits need no slow hash.
"""

import hashlib
import hmac
import re
import zlib
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_DIGITS: Final = 30
RANDOM_BYTES: Final = 24
CHECK_DIGITS: Final = 6

MERCHANT_TEST: Final = "spsk_test_"
MERCHANT_LIVE: Final = "spsk_live_"
BUYER: Final = "spsb_"
SESSION: Final = "spss_"
PREFIXES: Final = (MERCHANT_TEST, MERCHANT_LIVE, BUYER, SESSION)

_SHAPE: Final = re.compile(
    rf"(?:{'|'.join(PREFIXES)})[0-9A-Za-z]{{{RANDOM_DIGITS + CHECK_DIGITS}}}", re.ASCII
)


def make_secret(prefix: str, randomness: bytes) -> str:
    """Spell a new secret from 24 random bytes."""
    if prefix not in PREFIXES or len(randomness) != RANDOM_BYTES:
        raise ValueError("a secret needs a known prefix and 24 random bytes")
    body = prefix + _base62(int.from_bytes(randomness, "big"), RANDOM_DIGITS)
    return body + _checksum(body)


def well_formed(secret: str) -> bool:
    """Tell whether the text could be one of our secrets: shape and checksum."""
    return bool(_SHAPE.fullmatch(secret)) and hmac.compare_digest(
        _checksum(secret[:-CHECK_DIGITS]), secret[-CHECK_DIGITS:]
    )


def digest(secret: str) -> str:
    """What is stored instead of the secret: hex SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()


def party_seed(custody_key: bytes, role: str, contract: str) -> bytes:
    """The Ed25519 seed of a party of one contract; not stored, it follows from the custody key."""
    return hmac.digest(custody_key, f"sps-party|{role}|{contract}".encode(), "sha256")


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECK_DIGITS)


def _base62(value: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        value, digit = divmod(value, len(ALPHABET))
        text = ALPHABET[digit] + text
    return text
