"""What a replica must not forget: the values of its write-ahead log and their bytes (framing is the shell's).

Whenever a replica votes for a block, the block itself stands in the log too: were all replicas to crash at
once, what a quorum notarized would still be there. Numbers of the record types are final.
"""

import struct
from enum import IntEnum
from typing import Final, assert_never

from msgspec import Struct

from consensus_node.core.wire import encode_body, read_body
from sps.chain.binary import HASH_BYTES, Malformed, Reader, check_widths, whole
from sps.chain.certificate import Certificate, decode_certificate, encode_certificate
from sps.chain.header import BatchRef, Header
from sps.chain.vote import Vote, decode_vote, encode_vote
from sps.signing import SIGNATURE_BYTES


class Proposed(Struct, frozen=True):
    """A proposal I made or voted for; `signature` is its leader's NOTARIZE."""

    header: Header
    refs: tuple[BatchRef, ...]
    signature: bytes


class VoteCast(Struct, frozen=True):
    """A vote of mine, exactly as it is published, now and again."""

    vote: Vote


class Certified(Struct, frozen=True):
    """A certificate I hold."""

    certificate: Certificate


class EpochBegun(Struct, frozen=True):
    """From here on records belong to this epoch and committee."""

    epoch: int
    committee_hash: bytes


class Finalized(Struct, frozen=True):
    """The chain is final up to here: a chain that says otherwise is refused."""

    height: int
    view: int
    block_id: bytes


class RecordType(IntEnum):
    """The type byte of a log record."""

    PROPOSED = 1
    VOTE = 2
    CERT = 3
    EPOCH = 4
    FINAL = 5


Record = Proposed | VoteCast | Certified | EpochBegun | Finalized


_EPOCH: Final = struct.Struct(">Q32s")
_FINAL: Final = struct.Struct(">QQ32s")


def encode_record(record: Record) -> tuple[RecordType, bytes]:
    """The type byte and the payload of a record."""
    match record:
        case Proposed(header=header, refs=refs, signature=signature):
            check_widths(SIGNATURE_BYTES, signature)
            return RecordType.PROPOSED, encode_body(header, refs) + signature
        case VoteCast(vote=vote):
            return RecordType.VOTE, encode_vote(vote)
        case Certified(certificate=certificate):
            return RecordType.CERT, encode_certificate(certificate)
        case EpochBegun(epoch=epoch, committee_hash=committee_hash):
            check_widths(HASH_BYTES, committee_hash)
            return RecordType.EPOCH, _EPOCH.pack(epoch, committee_hash)
        case Finalized(height=height, view=view, block_id=block_id):
            check_widths(HASH_BYTES, block_id)
            return RecordType.FINAL, _FINAL.pack(height, view, block_id)
        case _:
            assert_never(record)


def decode_record(kind: int, payload: bytes) -> Record:
    """Read a record; raise `Malformed` on anything else."""
    if kind == RecordType.PROPOSED:
        reader = Reader(payload)
        header, refs = read_body(reader)
        return Proposed(header, refs, whole(reader.rest(), SIGNATURE_BYTES, "a signature"))
    if kind == RecordType.VOTE:
        return VoteCast(decode_vote(payload))
    if kind == RecordType.CERT:
        return Certified(decode_certificate(payload))
    if kind == RecordType.EPOCH:
        return EpochBegun(*_EPOCH.unpack(whole(payload, _EPOCH.size, "an epoch record")))
    if kind == RecordType.FINAL:
        return Finalized(*_FINAL.unpack(whole(payload, _FINAL.size, "a final record")))
    raise Malformed(f"{kind} is not a type of record")


def view_of(record: Record) -> int | None:
    """The view a record is about: it may go when a `Forget` names a higher one. None: keep it."""
    match record:
        case Proposed(header=header):
            return header.view
        case VoteCast(vote=vote):
            return vote.view
        case Certified(certificate=certificate):
            return certificate.view
        case Finalized() | EpochBegun():
            return None
        case _:
            assert_never(record)
