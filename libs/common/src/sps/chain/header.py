"""The block header and what it commits to (`docs/protocol.md`, objects).

Fixed order and width, 443 bytes. block_id = SHA-256("SPS1-header" | header); a signature is never in it.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final

from msgspec import Struct

from sps.chain import merkle
from sps.chain.batch import BatchHeader, digest
from sps.chain.binary import HASH_BYTES, ZERO_HASH, Malformed, check_widths, whole

HEADER_VERSION: Final = 1
REFS_MAX: Final = 256
BLOCK_BYTES_MAX: Final = 8 * 1024 * 1024
"""Largest sum of the payloads that a block refers to, in bytes."""

FLAG_DRAIN: Final = 1
FLAG_CHECKPOINT: Final = 2
FLAG_EPOCH_END: Final = 4
FLAG_HEARTBEAT: Final = 8
FLAG_TIMER: Final = 16
"""An empty block because a contract's deadline is due or results trail."""
FLAGS_ALL: Final = FLAG_DRAIN | FLAG_CHECKPOINT | FLAG_EPOCH_END | FLAG_HEARTBEAT | FLAG_TIMER

GENESIS_HEIGHT: Final = 0
GENESIS_VIEW: Final = 0
"""The genesis block counts as notarized at view 0 of epoch 1."""

_BLOCK_TAG: Final = b"SPS1-header"
_GENESIS_TAG: Final = b"SPS1-genesis"
_WIRE_ORDER: Final = (
    "version",
    "chain_id",
    "epoch",
    "view",
    "height",
    "flags",
    "parent_view",
    "parent_id",
    "time_ms",
    "proposer",
    "batches_root",
    "batch_count",
    "tx_count",
    "exec_height",
    "app_hash",
    "results_root",
    "cursors_root",
    "evidence_root",
    "committee_hash",
    "next_committee_hash",
    "beacon_reveal",
    "log_root",
    "state_root",
)
_HEADER: Final = struct.Struct(">H32sQQQBQ32sQH32sHIQ" + 9 * "32s")
_fields_of: Final = attrgetter(*_WIRE_ORDER)
_hashes_of: Final = attrgetter("chain_id", "parent_id", "batches_root", *_WIRE_ORDER[-9:])
HEADER_BYTES: Final = _HEADER.size
_HEIGHT: Final = slice(50, 58)
"""After version 2, chain id 32, epoch 8 and view 8."""
_REF: Final = struct.Struct(">QQ32s32sII")
REF_BYTES: Final = _REF.size
_CURSOR: Final = struct.Struct(">QQ32s")


class Header(Struct, frozen=True):
    """One block. Times in Unix milliseconds; roots that have nothing to say are 32 zero bytes.

    It carries the result (`app_hash`, `results_root`) of `exec_height`, a few heights below its own.
    """

    chain_id: bytes
    epoch: int
    view: int
    height: int
    flags: int
    parent_view: int
    parent_id: bytes
    time_ms: int
    proposer: int
    batches_root: bytes
    batch_count: int
    tx_count: int
    exec_height: int
    app_hash: bytes
    results_root: bytes
    cursors_root: bytes
    committee_hash: bytes
    evidence_root: bytes = ZERO_HASH
    next_committee_hash: bytes = ZERO_HASH
    beacon_reveal: bytes = ZERO_HASH
    log_root: bytes = ZERO_HASH
    state_root: bytes = ZERO_HASH
    version: int = HEADER_VERSION


class BatchRef(Struct, frozen=True):
    """A batch named in a block: all that a reader needs to recognise and bound it."""

    producer_id: int
    seq: int
    digest: bytes
    tx_root: bytes
    tx_count: int
    payload_len: int


def encode_header(header: Header) -> bytes:
    """The 443 bytes of a header."""
    check_widths(HASH_BYTES, *_hashes_of(header))
    return _HEADER.pack(*_fields_of(header))


def decode_header(raw: bytes) -> Header:
    """Read a header; unknown versions and flags are refused."""
    fields = _HEADER.unpack(whole(raw, HEADER_BYTES, "a header"))
    header = Header(**dict(zip(_WIRE_ORDER, fields, strict=True)))
    if header.version != HEADER_VERSION:
        raise Malformed(f"a header of version {header.version}, known is {HEADER_VERSION}")
    if header.flags & ~FLAGS_ALL:
        raise Malformed(f"unknown flags {header.flags}")
    return header


def block_id(header: Header) -> bytes:
    """The name of a block."""
    return hashlib.sha256(_BLOCK_TAG + encode_header(header)).digest()


def block_id_of(raw: bytes) -> bytes:
    """The name of the block whose header, in its only spelling, the bytes are or begin with."""
    return hashlib.sha256(_BLOCK_TAG + raw[:HEADER_BYTES]).digest()


def height_of(raw: bytes) -> int:
    """The height in the header that the bytes begin with; the rest is not looked at."""
    if len(raw) < HEADER_BYTES:
        raise Malformed(f"{len(raw)} bytes hold no header")
    return int.from_bytes(raw[_HEIGHT], "big")


def genesis_block_id(chain_id: bytes) -> bytes:
    """The name of the block at height 0, the parent of the first one."""
    return hashlib.sha256(_GENESIS_TAG + chain_id).digest()


def encode_ref(ref: BatchRef) -> bytes:
    """The 88 bytes of a reference, also the leaf under `batches_root`."""
    check_widths(HASH_BYTES, ref.digest, ref.tx_root)
    return _REF.pack(ref.producer_id, ref.seq, ref.digest, ref.tx_root, ref.tx_count, ref.payload_len)


def decode_ref(raw: bytes) -> BatchRef:
    """Read a reference."""
    return BatchRef(*_REF.unpack(whole(raw, REF_BYTES, "a batch reference")))


def ref_of(batch: BatchHeader) -> BatchRef:
    """The only reference there can be to a batch."""
    return BatchRef(
        batch.producer_id, batch.seq, digest(batch), batch.tx_root, batch.tx_count, batch.payload_len
    )


def batches_root(refs: Iterable[BatchRef]) -> bytes:
    """The root over the references of a block, in their order."""
    return merkle.root([encode_ref(ref) for ref in refs])


def cursors_root(cursors: Mapping[int, tuple[int, bytes]]) -> bytes:
    """The root over (producer, newest ordered seq, its digest), by producer."""
    return merkle.root([_CURSOR.pack(producer, *cursors[producer]) for producer in sorted(cursors)])
