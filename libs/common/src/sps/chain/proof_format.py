"""The proof file of one contract: canonical JSON that can be checked offline with the genesis alone.

Binary objects are lower-case hex; transactions and receipts stand as the very text that was hashed.
Nothing stands in it twice: references, sizes and heights follow from the signed objects.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from sps.chain.block import DESCENDANTS_MAX
from sps.chain.merkle import PATH_MAX

PROOF_FORMAT: Final = "sps.proof.v1"
PROOF_BYTES_MAX: Final = 32 * 1024 * 1024
EVENTS_MAX: Final = 4_096
BLOCKS_MAX: Final = 2 * EVENTS_MAX
"""A block with the event, and the later one that carries its result."""

LEFT: Final = "L"
RIGHT: Final = "R"

Path = Annotated[tuple[str, ...], Meta(max_length=PATH_MAX)]
Position = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class BadProof(Exception):
    """The file does not prove what it claims; the message names the first broken thing."""


class BlockProof(Struct, frozen=True, forbid_unknown_fields=True):
    """A final header: 443 bytes, the headers up to the finalized one, the certificate."""

    header: str
    descendants: Annotated[tuple[str, ...], Meta(max_length=DESCENDANTS_MAX)]
    certificate: str


class TransactionProof(Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction in a batch in a block. `batch` = batch header (128) and the producer's signature (64)."""

    text: str
    index: Position
    path: Path
    batch: str
    ref_index: Position
    ref_path: Path


class EventProof(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One accepted step: its receipt under a results root; `path` items are `L` or `R` and the sibling.

    A deadline has no transaction: it is fired by the block's time.
    """

    receipt: str
    path: Path
    transaction: TransactionProof | None = None


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `blocks` rise by height, `events` are all versions of the contract, from the first on."""

    format: str
    chain: str
    contract: str
    blocks: Annotated[tuple[BlockProof, ...], Meta(max_length=BLOCKS_MAX)]
    events: Annotated[tuple[EventProof, ...], Meta(min_length=1, max_length=EVENTS_MAX)]


_encoder: Final = msgspec.json.Encoder(order="sorted")
_decoder: Final = msgspec.json.Decoder(Proof)


def encode_proof(proof: Proof) -> bytes:
    """The canonical text of a proof."""
    return _encoder.encode(proof)


def decode_proof(raw: bytes) -> Proof:
    """Read a proof file; raise `BadProof` on another format or spelling. Nothing is verified yet."""
    if len(raw) > PROOF_BYTES_MAX:
        raise BadProof(f"a proof has at most {PROOF_BYTES_MAX} bytes")
    try:
        proof: Proof = _decoder.decode(raw)
        respelled = _encoder.encode(proof)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadProof(f"not a proof file: {error}") from error
    if respelled != raw:
        raise BadProof("the proof file is not in canonical form")
    if proof.format != PROOF_FORMAT:
        raise BadProof(f"unknown format {proof.format!r}, known is {PROOF_FORMAT}")
    return proof


def unhex(text: str) -> bytes:
    """Read lower-case hex without spaces; refuse every other spelling."""
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise BadProof("expected lower-case hex") from error
    if raw.hex() != text:
        raise BadProof("expected lower-case hex")
    return raw


def side(on_left: bool, sibling: bytes) -> str:
    """Spell one step of a sided path."""
    return (LEFT if on_left else RIGHT) + sibling.hex()


def unside(text: str) -> tuple[bool, bytes]:
    """Read one step of a sided path."""
    if text[:1] not in {LEFT, RIGHT}:
        raise BadProof("a step of a path begins with L or R")
    return text[0] == LEFT, unhex(text[1:])
