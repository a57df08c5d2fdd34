"""What replicas say to each other on the consensus topic. A closed union; bytes in `wire`."""

from enum import IntEnum

from msgspec import Struct

from sps.chain.certificate import Certificate
from sps.chain.header import BatchRef, Header
from sps.chain.vote import Vote


class Proposal(Struct, frozen=True):
    """The block of one view. `signature` is the leader's NOTARIZE of it.

    `parent` certifies the parent (absent for the genesis, or when a proposal is repeated on request);
    `nullifications` are the newest ones between parent and block.
    """

    header: Header
    refs: tuple[BatchRef, ...]
    parent: Certificate | None
    nullifications: tuple[Certificate, ...]
    signature: bytes


class Votes(Struct, frozen=True):
    """Votes of one validator, several in one record."""

    validator: int
    votes: tuple[Vote, ...]


class Certs(Struct, frozen=True):
    """Certificates; each verifies alone."""

    certificates: tuple[Certificate, ...]


class Status(Struct, frozen=True):
    """Where a validator stands; signed, and believed for nothing but whether to help it."""

    validator: int
    epoch: int
    view: int
    finalized_height: int
    finalized_id: bytes
    exec_height: int
    app_hash: bytes
    time_ms: int
    signature: bytes


class RequestKind(IntEnum):
    """What is asked for."""

    CERTIFICATES = 1
    """Of the views from..to."""
    PROPOSALS = 2
    """Notarized blocks of the views from..to."""


class Request(Struct, frozen=True):
    """A question to all. Whoever can answers, within bounds. `from_view` and `to_view` are both included."""

    validator: int
    kind: RequestKind
    epoch: int
    from_view: int
    to_view: int
    nonce: int
    signature: bytes


Message = Proposal | Votes | Certs | Status | Request
