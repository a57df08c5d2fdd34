"""Ed25519 with domain separation: a signature given for one purpose, chain or kind is void for every other.

Sign bytes: `"SPS1" | domain (1) | chain id (32) | body` (`docs/protocol.md`, signing domains).
Small-order and non-canonical keys are refused at registration; a signature is never part of an id.
"""

import hmac
from enum import IntEnum
from typing import Final

import nacl.bindings
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

MAGIC: Final = b"SPS1"
CHAIN_ID_BYTES: Final = 32
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


class Domain(IntEnum):
    """What a signature is for."""

    BATCH = 0x01
    NOTARIZE = 0x02
    NULLIFY = 0x03
    FINALIZE = 0x04
    STATUS = 0x05
    REQUEST = 0x06
    TX = 0x07
    RESULT = 0x08
    KEYCHANGE = 0x09


class BadKey(ValueError):
    """The bytes are not an Ed25519 key that may be registered."""


def sign_bytes(domain: Domain, chain_id: bytes, body: bytes) -> bytes:
    """The exact bytes that are signed and verified."""
    if len(chain_id) != CHAIN_ID_BYTES:
        raise ValueError("a chain id has 32 bytes")
    return MAGIC + bytes((domain,)) + chain_id + body


class Signer:
    """A private key that signs for named domains; it never leaves this object."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_BYTES:
            raise BadKey("a seed has 32 bytes")
        self._key = SigningKey(seed)
        self.public_key: Final = bytes(self._key.verify_key)

    def sign(self, domain: Domain, chain_id: bytes, body: bytes) -> bytes:
        return self._key.sign(sign_bytes(domain, chain_id, body)).signature

    def __repr__(self) -> str:
        return f"Signer({self.public_key.hex()[:8]}…)"


def verify(public_key: bytes, domain: Domain, chain_id: bytes, body: bytes, signature: bytes) -> bool:
    """Tell whether the signature is good; malformed input is just not good."""
    if len(signature) != SIGNATURE_BYTES or len(public_key) != KEY_BYTES:
        return False
    try:
        VerifyKey(public_key).verify(sign_bytes(domain, chain_id, body), signature)
    except BadSignatureError:
        return False
    return True


def check_public_key(public_key: bytes) -> bytes:
    """Return a key that may be registered: 32 bytes, on the curve, of the main subgroup, canonical."""
    if len(public_key) != KEY_BYTES or not nacl.bindings.crypto_core_ed25519_is_valid_point(public_key):
        raise BadKey("not a valid Ed25519 public key (32 bytes on the main subgroup)")
    return public_key


def commitment(salt: bytes, value: str) -> bytes:
    """Commit to a personal value: HMAC-SHA256(32 random bytes, UTF-8); erasing the salt erases the value."""
    if len(salt) != KEY_BYTES:
        raise ValueError("a salt has 32 bytes")
    return hmac.digest(salt, value.encode(), "sha256")
