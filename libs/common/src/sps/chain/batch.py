"""A batch: many transactions under one signature of the service that vouches for them.

Record = header (128) | signature (64) | payload. Payload = count 4, then per transaction length 4 | bytes.
A producer's batches form a chain: `seq` starts at 1 without gaps, `prev_digest` names the one before.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from sps import signing
from sps.chain import merkle
from sps.chain.binary import HASH_BYTES, ZERO_HASH, Malformed, check_widths, whole
from sps.signing import SIGNATURE_BYTES, Domain, Signer

Verify = Callable[[bytes, Domain, bytes, bytes, bytes], bool]
"""Checks (public key, domain, chain id, body, signature); a simulation may give a cheaper one."""

BATCH_BYTES_MAX: Final = 512 * 1024
"""Largest payload in bytes."""

BATCH_TX_MAX: Final = 2_000
FIRST_SEQ: Final = 1
FIRST_PREV_DIGEST: Final = ZERO_HASH
"""What the first batch of a producer names as the one before."""

_HEADER: Final = struct.Struct(">QQ32s32s32sIIQ")
BATCH_HEADER_BYTES: Final = _HEADER.size
_U32: Final = struct.Struct(">I")
_COUNT_BYTES: Final = _U32.size


class BadBatch(ValueError):
    """Refusal of a batch, with a stable code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class BatchHeader(Struct, frozen=True):
    """What the producer signs. `created_ms` is the producer's clock, for information only."""

    producer_id: int
    seq: int
    prev_digest: bytes
    payload_hash: bytes
    tx_root: bytes
    tx_count: int
    payload_len: int
    created_ms: int


class Batch(Struct, frozen=True):
    """A signed batch as it stands on the log."""

    header: BatchHeader
    signature: bytes
    payload: bytes


def encode_header(header: BatchHeader) -> bytes:
    """The 128 bytes that are signed and whose SHA-256 names the batch."""
    check_widths(HASH_BYTES, header.prev_digest, header.payload_hash, header.tx_root)
    return _HEADER.pack(
        header.producer_id,
        header.seq,
        header.prev_digest,
        header.payload_hash,
        header.tx_root,
        header.tx_count,
        header.payload_len,
        header.created_ms,
    )


def decode_header(raw: bytes) -> BatchHeader:
    """Read the 128 bytes of a batch header."""
    return BatchHeader(*_HEADER.unpack(whole(raw, BATCH_HEADER_BYTES, "a batch header")))


def digest(header: BatchHeader) -> bytes:
    """The name of a batch: SHA-256 of its header's bytes."""
    return hashlib.sha256(encode_header(header)).digest()


def encode_payload(transactions: Sequence[bytes]) -> bytes:
    """Frame transactions: count 4, then per transaction length 4 and its bytes."""
    pack = _U32.pack
    parts = [pack(len(transactions))]
    for raw in transactions:
        parts += (pack(len(raw)), raw)
    return b"".join(parts)


def decode_payload(payload: bytes) -> list[bytes]:
    """Unframe the transactions; raise `Malformed` unless the frames fill the payload exactly."""
    count = int.from_bytes(payload[:_COUNT_BYTES], "big")
    if count > BATCH_TX_MAX:
        raise Malformed(f"a payload has at most {BATCH_TX_MAX} transactions, not {count}")
    unpack = _U32.unpack_from
    transactions: list[bytes] = []
    append = transactions.append
    at = _COUNT_BYTES
    try:
        for _ in range(count):
            start = at + _COUNT_BYTES
            at = start + unpack(payload, at)[0]
            append(payload[start:at])
    except struct.error as error:
        raise Malformed("a transaction's length is cut off") from error
    if at != len(payload):
        raise Malformed("the transactions do not fill the payload exactly")
    return transactions


def encode_batch(batch: Batch) -> bytes:
    """The record of a batch: header | signature | payload."""
    check_widths(SIGNATURE_BYTES, batch.signature)
    return encode_header(batch.header) + batch.signature + batch.payload


def decode_batch(raw: bytes) -> Batch:
    """Read a record; raise `Malformed` on other sizes. Nothing is verified yet: see `check_batch`."""
    body = BATCH_HEADER_BYTES + SIGNATURE_BYTES
    if not body + _COUNT_BYTES <= len(raw) <= body + BATCH_BYTES_MAX:
        raise Malformed(f"a batch of {len(raw)} bytes")
    header = decode_header(raw[:BATCH_HEADER_BYTES])
    if header.payload_len != len(raw) - body:
        raise Malformed("the payload is not as long as its header says")
    return Batch(header, raw[BATCH_HEADER_BYTES:body], raw[body:])


def seal(
    signer: Signer,
    chain_id: bytes,
    producer_id: int,
    seq: int,
    prev_digest: bytes,
    transactions: Sequence[bytes],
    created_ms: int,
) -> Batch:
    """Make and sign the producer's batch number `seq`; raise `BadBatch` when it is out of bounds."""
    payload = encode_payload(transactions)
    header = BatchHeader(
        producer_id=producer_id,
        seq=seq,
        prev_digest=prev_digest,
        payload_hash=hashlib.sha256(payload).digest(),
        tx_root=merkle.root(transactions),
        tx_count=len(transactions),
        payload_len=len(payload),
        created_ms=created_ms,
    )
    batch = Batch(header, signer.sign(Domain.BATCH, chain_id, encode_header(header)), payload)
    _check_bounds(batch)
    return batch


def check_batch(batch: Batch, producer_key: bytes, chain_id: bytes, verify: Verify = signing.verify) -> None:
    """What a validator checks before it stores a batch: bounds, payload hash, signature.

    The transactions are not parsed and `tx_root` is not recomputed: execution does that, and voids the
    batch when it is wrong.
    """
    _check_bounds(batch)
    if hashlib.sha256(batch.payload).digest() != batch.header.payload_hash:
        raise BadBatch("BAD_PAYLOAD_HASH", "the payload is not the one that was signed")
    if not verify(producer_key, Domain.BATCH, chain_id, encode_header(batch.header), batch.signature):
        raise BadBatch("BAD_SIGNATURE", "the producer did not sign this batch for this chain")


def _check_bounds(batch: Batch) -> None:
    header, payload = batch.header, batch.payload
    if len(payload) != header.payload_len or not _COUNT_BYTES <= header.payload_len <= BATCH_BYTES_MAX:
        raise BadBatch("BAD_SIZE", f"a payload of {len(payload)} bytes; at most {BATCH_BYTES_MAX}, as stated")
    if not 1 <= header.tx_count <= BATCH_TX_MAX:
        raise BadBatch("BAD_COUNT", f"{header.tx_count} transactions; 1 to {BATCH_TX_MAX}")
    if int.from_bytes(payload[:_COUNT_BYTES], "big") != header.tx_count:
        raise BadBatch("BAD_COUNT", "the payload states another number of transactions than the header")
    if header.seq < FIRST_SEQ or (header.seq == FIRST_SEQ) != (header.prev_digest == FIRST_PREV_DIGEST):
        raise BadBatch("BAD_SEQUENCE", "only batch number 1 has no batch before it")
