"""Everything that can happen to a replica. A closed union: `Replica.step` matches all of it.

Every input carries `now_ms`, wall-clock milliseconds; the shell never lets it run backwards. After `Start`
the shell reports what its stores hold with the ordinary inputs: `Executed` for every height it executed or
re-executed, at least from the `exec_height` of the newest final header on (0 on a new chain), and
`BatchStored` for every batch that is stored and not yet ordered. Rules: `docs/protocol.md`.
"""

from msgspec import Struct

from consensus_node.core.durable import Record
from consensus_node.core.messages import Message
from sps.chain.block import Committed
from sps.chain.header import BatchRef, Header


class Cursor(Struct, frozen=True):
    """How far one producer is ordered: its last ordered batch."""

    producer_id: int
    seq: int
    digest: bytes


class Start(Struct, frozen=True):
    """The first input, once. `records` is the whole write-ahead log in order.

    `headers` are the newest final headers of the block store, oldest first (HEADERS_KEPT_MAX of them or all
    there are, none on a new chain); `cursors` stand after the newest of them. The block store may lag behind
    the log by the blocks that the log still holds.
    """

    now_ms: int
    records: tuple[Record, ...] = ()
    headers: tuple[Header, ...] = ()
    cursors: tuple[Cursor, ...] = ()


class Received(Struct, frozen=True):
    """A message from the consensus topic, decoded by `wire.decode_message`. Own messages may come back."""

    now_ms: int
    message: Message


class BatchStored(Struct, frozen=True):
    """A checked batch is stored and synced. `ref` describes it, `prev_digest` is in its header."""

    now_ms: int
    ref: BatchRef
    prev_digest: bytes


class Executed(Struct, frozen=True):
    """The executor finished a delivered height. `next_deadline_ms`: oldest deadline left in the state."""

    now_ms: int
    height: int
    app_hash: bytes
    results_root: bytes
    changed: bool
    """Whether the block wrote anything or made receipts: app_hash differs from the one before."""
    next_deadline_ms: int | None = None


class CommittedLearned(Struct, frozen=True):
    """A committed block from the blocks topic or a peer, unverified; known heights are welcome too."""

    now_ms: int
    committed: Committed


class Tick(Struct, frozen=True):
    """The time asked for by the last `Wake` has come (or any time: an early tick does nothing)."""

    now_ms: int


Input = Start | Received | BatchStored | Executed | CommittedLearned | Tick
