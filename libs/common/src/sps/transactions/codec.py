"""Transactions to and from their exact bytes. The bytes are what is signed, hashed and kept."""

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from sps.transactions.spelling import Speller
from sps.transactions.values import one_spelling
from sps.transactions.vocabulary import Transaction

TRANSACTION_BYTES_MAX: Final = 64 * 1024

_encoder: Final = msgspec.json.Encoder(order="sorted")


class BadTransaction(ValueError):
    """The bytes are not one canonical transaction of the vocabulary."""


def encode(transaction: Transaction) -> bytes:
    """Spell a transaction in canonical JSON."""
    return _encoder.encode(one_spelling(transaction))


decode: Final[Callable[[bytes], Transaction]] = Speller[Transaction](
    Transaction, TRANSACTION_BYTES_MAX, BadTransaction
).read
"""Read canonical bytes; unknown kinds, unknown fields and other spellings are refused."""


def transaction_hash(raw: bytes) -> bytes:
    """SHA-256 of the exact bytes: the name of a transaction everywhere."""
    return hashlib.sha256(raw).digest()
