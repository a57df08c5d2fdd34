"""A certificate: the votes of one kind from more than two thirds of the committee's weight.

Record = kind 1, epoch 8, view 8, height 8, block id 32, bitmap length 2, bitmap, signatures 64 each in
order of the index. Bit i of the bitmap is bit i % 8 of byte i / 8; the last byte is never zero.
What is enough is drawn by the verifier from its own committee, never taken from the message.
"""

import itertools
import struct
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from sps import signing
from sps.chain.batch import Verify
from sps.chain.binary import HASH_BYTES, Malformed, Reader, check_widths, u16
from sps.chain.committee import VALIDATORS_MAX, Committee, quorum_reached
from sps.chain.vote import Vote, VoteKind, decode_kind, domain_of, vote_body
from sps.signing import SIGNATURE_BYTES

BITMAP_BYTES_MAX: Final = (VALIDATORS_MAX + 7) // 8

_HEAD: Final = struct.Struct(">BQQQ32s")
CERTIFICATE_HEAD_BYTES: Final = _HEAD.size


class Certificate(Struct, frozen=True):
    """`signers` are committee indices in rising order, `signatures` stand in the same order."""

    kind: VoteKind
    epoch: int
    view: int
    height: int
    block_id: bytes
    signers: tuple[int, ...]
    signatures: tuple[bytes, ...]


def certificate_of(votes: Iterable[Vote]) -> Certificate:
    """Put votes about one thing together; raise `Malformed` when they differ or one voter stands twice."""
    ordered = sorted(votes, key=lambda vote: vote.validator)
    if not ordered:
        raise Malformed("a certificate needs votes")
    first = ordered[0]
    subjects = {(vote.kind, vote.epoch, vote.view, vote.height, vote.block_id) for vote in ordered}
    signers = tuple(vote.validator for vote in ordered)
    if len(subjects) > 1 or not _rising(signers):
        raise Malformed("the votes are not about one thing, or one validator voted twice")
    signatures = tuple(vote.signature for vote in ordered)
    return Certificate(first.kind, first.epoch, first.view, first.height, first.block_id, signers, signatures)


def verify_certificate(
    certificate: Certificate, committee: Committee, chain_id: bytes, verify: Verify = signing.verify
) -> bool:
    """Tell whether a quorum of this committee signed exactly this."""
    signers, seats = certificate.signers, committee.validators
    if certificate.epoch != committee.epoch or len(signers) != len(certificate.signatures):
        return False
    if not signers or not _rising(signers) or signers[0] < 0 or signers[-1] >= len(seats):
        return False
    if not quorum_reached(committee, sum(seats[i].weight for i in signers)):
        return False
    try:
        body = vote_body(
            certificate.kind, certificate.epoch, certificate.view, certificate.height, certificate.block_id
        )
    except Malformed:
        return False
    domain = domain_of(certificate.kind)
    pairs = zip(signers, certificate.signatures, strict=True)
    return all(verify(seats[i].public_key, domain, chain_id, body, signature) for i, signature in pairs)


def encode_certificate(certificate: Certificate) -> bytes:
    """The record of a certificate."""
    signers, signatures = certificate.signers, certificate.signatures
    if not signers or not _rising(signers) or len(signers) != len(signatures):
        raise Malformed("signers stand in rising order, each with one signature")
    check_widths(HASH_BYTES, certificate.block_id)
    check_widths(SIGNATURE_BYTES, *signatures)
    bitmap = bytearray(signers[-1] // 8 + 1)
    for signer in signers:
        bitmap[signer // 8] |= 1 << signer % 8
    head = _HEAD.pack(
        certificate.kind, certificate.epoch, certificate.view, certificate.height, certificate.block_id
    )
    return b"".join((head, u16(len(bitmap)), bitmap, *signatures))


def decode_certificate(raw: bytes) -> Certificate:
    """Read a certificate that fills the bytes exactly."""
    reader = Reader(raw)
    certificate = read_certificate(reader)
    reader.finish()
    return certificate


def read_certificate(reader: Reader) -> Certificate:
    """Read a certificate that stands inside another record."""
    kind, epoch, view, height, block_id = _HEAD.unpack(reader.take(CERTIFICATE_HEAD_BYTES))
    known = decode_kind(kind)
    vote_body(known, epoch, view, height, block_id)
    bitmap = reader.take(reader.count(BITMAP_BYTES_MAX, "bytes of bitmap"))
    if not bitmap or not bitmap[-1]:
        raise Malformed("the bitmap is empty or longer than its last signer needs")
    signers = tuple(i for i in range(8 * len(bitmap)) if bitmap[i // 8] >> i % 8 & 1)
    signatures = tuple(reader.take(SIGNATURE_BYTES) for _ in signers)
    return Certificate(known, epoch, view, height, block_id, signers, signatures)


def _rising(signers: tuple[int, ...]) -> bool:
    return all(a < b for a, b in itertools.pairwise(signers))
