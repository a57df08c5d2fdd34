"""What executing one transaction or one due deadline did: a leaf of the block's results root."""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from sps.chain.merkle import LEAF_TAG
from sps.ledger.journal import Journal

OK: Final = "OK"


class Receipt(Struct, frozen=True, omit_defaults=True, gc=False):
    """The recorded result. `index` counts deadlines first, then transactions in block order.

    `code` is `OK` or the stable code of a refusal; a refused transaction has no journal and no new state.
    `subject` is the contract, payout, quote or payment it was about; `state` is the hex SHA-256 of
    the subject's encoded value after it.
    """

    height: int
    index: int
    kind: str
    """The transaction's tag, or `deadline.<kind>`."""
    code: str
    subject: str
    transaction: str = ""
    """Hex hash of the transaction's bytes; empty for a deadline."""
    version: int = 0
    state: str = ""
    rules: tuple[str, ...] = ()
    """Rows of the contract's tables that fired, in order, such as `D11`, `M1`."""
    journals: tuple[Journal, ...] = ()
    message: str = ""
    """For a refusal: what to do, in one sentence."""


_sha256: Final = hashlib.sha256
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Receipt)


def encode_receipt(receipt: Receipt) -> bytes:
    """The bytes that are hashed into the results root."""
    return _encoder.encode(receipt)


def receipt_leaf(receipt: Receipt) -> bytes:
    """The leaf of the results root: `merkle.leaf_hash` of the receipt's bytes."""
    return _sha256(LEAF_TAG + _encoder.encode(receipt)).digest()


def decode_receipt(raw: bytes) -> Receipt:
    """Read a receipt; raises `msgspec.MsgspecError` on anything else."""
    return _decoder.decode(raw)
