"""Messages to and from their exact bytes: tag 1, then fixed-width big-endian fields, lists with a count of 2.

What decodes re-encodes to the same bytes. Every list has its bound; a message above it is refused whole.
"""

import struct
from collections.abc import Callable
from typing import Final, assert_never

from consensus_node.core.config import (
    CERTIFICATES_PER_MESSAGE_MAX,
    NULLIFICATIONS_PER_PROPOSAL_MAX,
    VOTES_PER_MESSAGE_MAX,
)
from consensus_node.core.messages import Certs, Message, Proposal, Request, RequestKind, Status, Votes
from sps.chain.binary import HASH_BYTES, Malformed, Reader, check_widths, u16
from sps.chain.certificate import Certificate, encode_certificate, read_certificate
from sps.chain.header import (
    HEADER_BYTES,
    REF_BYTES,
    REFS_MAX,
    BatchRef,
    Header,
    decode_header,
    decode_ref,
    encode_header,
    encode_ref,
)
from sps.chain.vote import VOTE_BYTES, decode_vote, encode_vote
from sps.signing import SIGNATURE_BYTES

PROPOSAL_TAG: Final = 1
VOTES_TAG: Final = 2
CERTS_TAG: Final = 3
STATUS_TAG: Final = 4
REQUEST_TAG: Final = 5

_STATUS_BODY: Final = struct.Struct(">QQQ32sQ32sQ")
_REQUEST_BODY: Final = struct.Struct(">BQQQQ")


def encode_message(message: Message) -> bytes:
    """The record of a message."""
    match message:
        case Proposal():
            return bytes((PROPOSAL_TAG,)) + _encode_proposal(message)
        case Votes(validator=validator, votes=votes):
            _bound(len(votes), VOTES_PER_MESSAGE_MAX, "votes")
            body = b"".join(map(encode_vote, votes))
            return bytes((VOTES_TAG,)) + u16(validator) + u16(len(votes)) + body
        case Certs(certificates=certificates):
            return bytes((CERTS_TAG,)) + _encode_certificates(certificates, CERTIFICATES_PER_MESSAGE_MAX)
        case Status():
            check_widths(SIGNATURE_BYTES, message.signature)
            return bytes((STATUS_TAG,)) + u16(message.validator) + status_body(message) + message.signature
        case Request():
            check_widths(SIGNATURE_BYTES, message.signature)
            return bytes((REQUEST_TAG,)) + u16(message.validator) + request_body(message) + message.signature
        case _:
            assert_never(message)


def decode_message(raw: bytes) -> Message:
    """Read a message; raise `Malformed` on anything else. No signature is verified here."""
    reader = Reader(raw)
    read = _READERS.get(reader.u8())
    if read is None:
        raise Malformed("no message has this tag")
    message = read(reader)
    reader.finish()
    return message


def status_body(status: Status) -> bytes:
    """What a STATUS signs."""
    check_widths(HASH_BYTES, status.finalized_id, status.app_hash)
    return _STATUS_BODY.pack(
        status.epoch,
        status.view,
        status.finalized_height,
        status.finalized_id,
        status.exec_height,
        status.app_hash,
        status.time_ms,
    )


def request_body(request: Request) -> bytes:
    """What a REQUEST signs."""
    return _REQUEST_BODY.pack(request.kind, request.epoch, request.from_view, request.to_view, request.nonce)


def encode_body(header: Header, refs: tuple[BatchRef, ...]) -> bytes:
    """A block without any proof: header, count 2, references."""
    _bound(len(refs), REFS_MAX, "references")
    return b"".join((encode_header(header), u16(len(refs)), *map(encode_ref, refs)))


def read_body(reader: Reader) -> tuple[Header, tuple[BatchRef, ...]]:
    """Read what `encode_body` wrote."""
    header = decode_header(reader.take(HEADER_BYTES))
    count = reader.count(REFS_MAX, "references")
    return header, tuple([decode_ref(reader.take(REF_BYTES)) for _ in range(count)])


def _encode_proposal(proposal: Proposal) -> bytes:
    check_widths(SIGNATURE_BYTES, proposal.signature)
    parent = () if proposal.parent is None else (proposal.parent,)
    return b"".join(
        (
            encode_body(proposal.header, proposal.refs),
            _encode_certificates(parent, 1),
            _encode_certificates(proposal.nullifications, NULLIFICATIONS_PER_PROPOSAL_MAX),
            proposal.signature,
        )
    )


def _read_proposal(reader: Reader) -> Proposal:
    header, refs = read_body(reader)
    parent = _read_certificates(reader, 1)
    nullifications = _read_certificates(reader, NULLIFICATIONS_PER_PROPOSAL_MAX)
    return Proposal(header, refs, parent[0] if parent else None, nullifications, reader.take(SIGNATURE_BYTES))


def _read_votes(reader: Reader) -> Votes:
    validator = reader.u16()
    count = reader.count(VOTES_PER_MESSAGE_MAX, "votes")
    votes = tuple([decode_vote(reader.take(VOTE_BYTES)) for _ in range(count)])
    if any(vote.validator != validator for vote in votes):
        raise Malformed("a record of votes is about one validator")
    return Votes(validator, votes)


def _read_certs(reader: Reader) -> Certs:
    return Certs(_read_certificates(reader, CERTIFICATES_PER_MESSAGE_MAX))


def _read_status(reader: Reader) -> Status:
    validator = reader.u16()
    epoch, view, height, block, executed, app, time = _STATUS_BODY.unpack(reader.take(_STATUS_BODY.size))
    signature = reader.take(SIGNATURE_BYTES)
    return Status(validator, epoch, view, height, block, executed, app, time, signature)


def _read_request(reader: Reader) -> Request:
    validator = reader.u16()
    kind, epoch, first, last, nonce = _REQUEST_BODY.unpack(reader.take(_REQUEST_BODY.size))
    if kind not in _REQUEST_KINDS:
        raise Malformed(f"{kind} is not a kind of request")
    return Request(validator, RequestKind(kind), epoch, first, last, nonce, reader.take(SIGNATURE_BYTES))


def _encode_certificates(certificates: tuple[Certificate, ...], bound: int) -> bytes:
    _bound(len(certificates), bound, "certificates")
    return u16(len(certificates)) + b"".join(map(encode_certificate, certificates))


def _read_certificates(reader: Reader, bound: int) -> tuple[Certificate, ...]:
    count = reader.count(bound, "certificates")
    return tuple([read_certificate(reader) for _ in range(count)])


def _bound(number: int, bound: int, name: str) -> None:
    if number > bound:
        raise Malformed(f"at most {bound} {name}, not {number}")


_REQUEST_KINDS: Final = frozenset(RequestKind)
_READERS: Final[dict[int, Callable[[Reader], Message]]] = {
    PROPOSAL_TAG: _read_proposal,
    VOTES_TAG: _read_votes,
    CERTS_TAG: _read_certs,
    STATUS_TAG: _read_status,
    REQUEST_TAG: _read_request,
}
