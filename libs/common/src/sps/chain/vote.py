"""Votes: NOTARIZE a block, FINALIZE it, or NULLIFY a view (`docs/protocol.md`, signing domains).

All kinds sign a body of one length, so that a verifier needs no parser before the check.
"""

import struct
from enum import IntEnum
from typing import Final

from msgspec import Struct

from sps import signing
from sps.chain.batch import Verify
from sps.chain.binary import HASH_BYTES, ZERO_HASH, Malformed, check_widths, whole
from sps.signing import SIGNATURE_BYTES, Domain, Signer

_BODY: Final = struct.Struct(">QQQ32s")
_VOTE: Final = struct.Struct(">HBQQQ32s64s")
VOTE_BYTES: Final = _VOTE.size


class VoteKind(IntEnum):
    """What a vote says; the number is its signing domain."""

    NOTARIZE = Domain.NOTARIZE
    NULLIFY = Domain.NULLIFY
    FINALIZE = Domain.FINALIZE


_DOMAINS: Final = {kind: Domain(kind) for kind in VoteKind}


class Vote(Struct, frozen=True):
    """One validator's signed word. A NULLIFY is about a view: its height and block id are zero."""

    validator: int
    kind: VoteKind
    epoch: int
    view: int
    height: int
    block_id: bytes
    signature: bytes


def domain_of(kind: VoteKind) -> Domain:
    """The signing domain of a kind of vote."""
    return _DOMAINS[kind]


def vote_body(kind: VoteKind, epoch: int, view: int, height: int, block_id: bytes) -> bytes:
    """The 56 bytes that are signed under the kind's domain; refuse a NULLIFY that names a block."""
    if kind is VoteKind.NULLIFY and (height or block_id != ZERO_HASH):
        raise Malformed("a NULLIFY names no block")
    check_widths(HASH_BYTES, block_id)
    return _BODY.pack(epoch, view, height, block_id)


def sign_vote(
    signer: Signer,
    chain_id: bytes,
    validator: int,
    kind: VoteKind,
    epoch: int,
    view: int,
    height: int = 0,
    block_id: bytes = ZERO_HASH,
) -> Vote:
    """Give a validator's word."""
    body = vote_body(kind, epoch, view, height, block_id)
    signature = signer.sign(_DOMAINS[kind], chain_id, body)
    return Vote(validator, kind, epoch, view, height, block_id, signature)


def verify_vote(vote: Vote, public_key: bytes, chain_id: bytes, verify: Verify = signing.verify) -> bool:
    """Tell whether the holder of the key gave this vote on this chain."""
    try:
        body = vote_body(vote.kind, vote.epoch, vote.view, vote.height, vote.block_id)
    except Malformed:
        return False
    return verify(public_key, _DOMAINS[vote.kind], chain_id, body, vote.signature)


def encode_vote(vote: Vote) -> bytes:
    """The 123 bytes of a vote: validator 2, kind 1, body 56, signature 64."""
    check_widths(HASH_BYTES, vote.block_id)
    check_widths(SIGNATURE_BYTES, vote.signature)
    return _VOTE.pack(
        vote.validator, vote.kind, vote.epoch, vote.view, vote.height, vote.block_id, vote.signature
    )


def decode_vote(raw: bytes) -> Vote:
    """Read a vote; unknown kinds and a NULLIFY that names a block are refused."""
    validator, kind, epoch, view, height, block_id, signature = _VOTE.unpack(whole(raw, VOTE_BYTES, "a vote"))
    known = decode_kind(kind)
    vote_body(known, epoch, view, height, block_id)
    return Vote(validator, known, epoch, view, height, block_id, signature)


def decode_kind(number: int) -> VoteKind:
    """The kind behind its number on the wire."""
    if number not in _DOMAINS:
        raise Malformed(f"{number} is not a kind of vote")
    return VoteKind(number)
