"""Everything a replica wants done. A closed union, executed strictly in order, one after the other.

`Persist` stands before everything else of its step; the shell has written and synced it before it executes
the next effect. Nothing an effect does may be visible outside before that. Rules: `docs/protocol.md`.
"""

from typing import Literal

from msgspec import Struct

from consensus_node.core.durable import Record
from consensus_node.core.messages import Message, Proposal
from sps.chain.block import Committed
from sps.chain.header import BatchRef
from sps.chain.vote import Vote


class Persist(Struct, frozen=True):
    """Append these to the write-ahead log.

    `sync` False: this step says nothing, so the sync may come with the next that needs it. A final block that
    is delivered is no saying: it rests on votes of a quorum, each of which was synced before it was said.
    """

    records: tuple[Record, ...]
    sync: bool = True


class Publish(Struct, frozen=True):
    """Append `wire.encode_message(message)` to the consensus topic. May be lost: the core repeats it."""

    message: Message


class Deliver(Struct, frozen=True):
    """A final block, heights without gaps, each once per run: keep it in the block store, then execute it.

    After a restart the heights above `Start.headers` are delivered again. Its batches may still be missing
    here when this node lagged: the shell fetches them by their refs before executing.
    """

    committed: Committed


class PublishCommitted(Struct, frozen=True):
    """Append to the blocks topic: the block is final and this node's turn to say so has come."""

    committed: Committed


class Wake(Struct, frozen=True):
    """Send `Tick` at this time. The newest `Wake` replaces the older; None: nothing to wait for."""

    at_ms: int | None


class RequestBatches(Struct, frozen=True):
    """Batches named by a proposal are not stored here: fetch from topic or peers, then `BatchStored`."""

    refs: tuple[BatchRef, ...]


class RequestCommitted(Struct, frozen=True):
    """Final blocks of these heights (both included) are missing: fetch, then `CommittedLearned` in order."""

    from_height: int
    to_height: int


class Evidence(Struct, frozen=True):
    """A validator signed two things no honest one signs in one view; both signatures are verified.

    E1 two NOTARIZE, E2 two FINALIZE, E3 FINALIZE and NULLIFY.
    """

    kind: Literal["E1", "E2", "E3"]
    first: Vote
    second: Vote


class InvalidProposal(Struct, frozen=True):
    """The leader signed a proposal that can never be valid (E5, or its state differs from ours)."""

    proposal: Proposal
    reason: str


class Fault(Struct, frozen=True):
    """Somebody sent something wrong that proves nothing: count it. `validator` is who it claims to be."""

    validator: int
    reason: str


class Forget(Struct, frozen=True):
    """Log records of views below this one are no longer needed, once all delivered blocks are synced."""

    below_view: int


class Halt(Struct, frozen=True):
    """A defect the replica must not vote on: it stops for good; every later step returns nothing."""

    height: int
    reason: str


Effect = (
    Persist
    | Publish
    | Deliver
    | PublishCommitted
    | Wake
    | RequestBatches
    | RequestCommitted
    | Evidence
    | InvalidProposal
    | Fault
    | Forget
    | Halt
)
