"""A committed block: the record of `sps.blocks.v1`, which proves itself.

Record = header | count 2, references | count 2, descendants' headers | certificate. The header is final
because the finalization is for it, or for the last of its descendants, a chain by parent id.
"""

from typing import Final

from msgspec import Struct

from sps import signing
from sps.chain.batch import BATCH_BYTES_MAX, BATCH_TX_MAX, Verify
from sps.chain.binary import Malformed, Reader, u16
from sps.chain.certificate import Certificate, encode_certificate, read_certificate, verify_certificate
from sps.chain.committee import Committee, committee_hash
from sps.chain.header import (
    BLOCK_BYTES_MAX,
    HEADER_BYTES,
    REF_BYTES,
    REFS_MAX,
    BatchRef,
    Header,
    batches_root,
    block_id,
    block_id_of,
    decode_header,
    decode_ref,
    encode_header,
    encode_ref,
)
from sps.chain.vote import VoteKind

DESCENDANTS_MAX: Final = 256


class BadBlock(ValueError):
    """The record does not prove that its block is final; the message names the first broken thing."""


class Committed(Struct, frozen=True):
    """A final block with the references to its batches and the proof of its finality."""

    header: Header
    refs: tuple[BatchRef, ...]
    descendants: tuple[Header, ...]
    finalization: Certificate


def encode_committed(committed: Committed) -> bytes:
    """The record of a committed block."""
    refs, descendants = committed.refs, committed.descendants
    if len(refs) > REFS_MAX or len(descendants) > DESCENDANTS_MAX:
        raise Malformed(f"at most {REFS_MAX} references and {DESCENDANTS_MAX} descendants")
    parts = [encode_header(committed.header), u16(len(refs)), *map(encode_ref, refs)]
    parts += [u16(len(descendants)), *map(encode_header, descendants)]
    return b"".join((*parts, encode_certificate(committed.finalization)))


def decode_committed(raw: bytes) -> Committed:
    """Read a record; raise `Malformed` on anything else. Nothing is verified yet: see `verify_committed`."""
    reader = Reader(raw)
    header = decode_header(reader.take(HEADER_BYTES))
    count = reader.count(REFS_MAX, "references")
    refs = tuple(decode_ref(reader.take(REF_BYTES)) for _ in range(count))
    count = reader.count(DESCENDANTS_MAX, "descendants")
    descendants = tuple(decode_header(reader.take(HEADER_BYTES)) for _ in range(count))
    finalization = read_certificate(reader)
    reader.finish()
    return Committed(header, refs, descendants, finalization)


def decode_named(raw: bytes) -> tuple[bytes, Committed]:
    """As `decode_committed`, with the block's id, which is hashed from the record's own bytes."""
    committed = decode_committed(raw)
    return block_id_of(raw), committed


def verify_committed(
    committed: Committed, committee: Committee, chain_id: bytes, verify: Verify = signing.verify
) -> None:
    """Check that the block is final on this chain and that the references are the block's own."""
    check_refs(committed.header, committed.refs)
    verify_final(committed.header, committed.descendants, committed.finalization, committee, chain_id, verify)


def check_refs(header: Header, refs: tuple[BatchRef, ...]) -> None:
    """Check the references against root, counts and bounds of the header."""
    if len(refs) > REFS_MAX or len(refs) != header.batch_count:
        raise BadBlock("the number of references is not the header's")
    if sum(ref.tx_count for ref in refs) != header.tx_count:
        raise BadBlock("the number of transactions is not the header's")
    if any(ref.payload_len > BATCH_BYTES_MAX or not 1 <= ref.tx_count <= BATCH_TX_MAX for ref in refs):
        raise BadBlock("a referenced batch is out of bounds")
    if sum(ref.payload_len for ref in refs) > BLOCK_BYTES_MAX:
        raise BadBlock("the referenced payloads are larger than a block may be")
    if batches_root(refs) != header.batches_root:
        raise BadBlock("the references are not the ones under the header's batches_root")


def verify_final(
    header: Header,
    descendants: tuple[Header, ...],
    finalization: Certificate,
    committee: Committee,
    chain_id: bytes,
    verify: Verify = signing.verify,
) -> None:
    """Check that a quorum finalized the header, or the last of a chain of headers on top of it."""
    if len(descendants) > DESCENDANTS_MAX:
        raise BadBlock(f"more than {DESCENDANTS_MAX} descendants")
    named = committee_hash(committee)
    last = header
    _check_origin(header, committee, named, chain_id)
    for child in descendants:
        _check_origin(child, committee, named, chain_id)
        _check_child(last, child)
        last = child
    _check_subject(finalization, last)
    if not verify_certificate(finalization, committee, chain_id, verify):
        raise BadBlock("the finalization is not signed by a quorum of the committee")


def _check_origin(header: Header, committee: Committee, named: bytes, chain_id: bytes) -> None:
    if header.chain_id != chain_id:
        raise BadBlock("the header is of another chain")
    if header.epoch != committee.epoch or header.committee_hash != named:
        raise BadBlock("the header names another committee")
    if header.height < 1 or header.proposer >= len(committee.validators):
        raise BadBlock("the header's height or proposer cannot be")


def _check_child(parent: Header, child: Header) -> None:
    if child.parent_id != block_id(parent) or child.parent_view != parent.view:
        raise BadBlock("the chain of descendants is broken")
    if child.height != parent.height + 1 or child.view <= parent.view or child.time_ms <= parent.time_ms:
        raise BadBlock("a descendant does not come after its parent")


def _check_subject(finalization: Certificate, last: Header) -> None:
    if finalization.kind is not VoteKind.FINALIZE:
        raise BadBlock("the certificate is not a finalization")
    if finalization.block_id != block_id(last):
        raise BadBlock("the finalization is for another block")
    if (finalization.epoch, finalization.view, finalization.height) != (last.epoch, last.view, last.height):
        raise BadBlock("the finalization is for another height, view or epoch")
