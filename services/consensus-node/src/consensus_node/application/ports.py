"""What the node needs from outside its pure core. Adapters implement these; tests and simulations may too."""

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from consensus_node.core.durable import Record
from consensus_node.core.messages import Message
from sps.chain.batch import Batch
from sps.chain.block import Committed


class RecordLog(Protocol):
    """The write-ahead log."""

    async def append(self, records: Sequence[Record], *, sync: bool) -> None:
        """Take records in order; with `sync` return when they, and all before them, are durable."""

    async def forget(self, below_view: int) -> int:
        """Let go what is all about views below this one."""


class BlockKeeper(Protocol):
    """Final blocks by height, without gaps from 1."""

    @property
    def height(self) -> int:
        """The newest height; 0 when there is none."""

    def append(self, committed: Committed) -> None:
        """Keep the next height; durable after `sync`."""

    async def sync(self) -> None:
        """Return when all that was appended is durable."""

    def block(self, height: int) -> Committed:
        """The block at a height from 1 to `height`."""

    def records(self, first: int, limit: int) -> Sequence[bytes]:
        """The records from height `first` on, bounded in number and bytes."""


class Place(Protocol):
    """The place of a batch in its producer's chain."""

    @property
    def producer_id(self) -> int: ...

    @property
    def seq(self) -> int: ...


class BatchKeeper(Protocol):
    """Checked batches by digest."""

    def __contains__(self, name: bytes) -> bool: ...

    def stored(self) -> Iterator[tuple[bytes, Place]]:
        """All digests with their places, in order of storing."""

    def append(self, name: bytes, batch: Batch) -> None:
        """Keep a checked batch; durable after `sync`."""

    async def sync(self) -> None:
        """Return when all that was appended is durable."""

    def batch(self, name: bytes) -> Batch | None:
        """The batch with this digest."""

    def record(self, name: bytes) -> bytes | None:
        """Its bytes."""


class Voice(Protocol):
    """How the node speaks; never waits for the log."""

    def say(self, message: Message) -> None:
        """To the consensus topic; may be lost."""

    def announce(self, committed: Committed) -> None:
        """To the blocks topic; tried until the log takes it."""


class Peers(Protocol):
    """Other nodes' catch-up endpoints. Nothing they say is believed unverified."""

    async def heights(self) -> int:
        """The highest final height that any of them claims."""

    async def blocks(self, first: int, limit: int) -> Sequence[Committed]:
        """Blocks from `first` on, from the first peer that has any; raises `Trouble` when none answers."""

    async def batch(self, name: bytes) -> Batch | None:
        """The batch with this digest, from the first peer that has it; unverified."""


class Outcome(Struct, frozen=True):
    """What executing one height gave. `changed`: it wrote something or made receipts."""

    height: int
    app_hash: bytes
    results_root: bytes
    changed: bool
    next_deadline_ms: int | None


class StateMachine(Protocol):
    """The state that all nodes compute alike; height 0 is the genesis."""

    @property
    def height(self) -> int:
        """The newest executed height."""

    def outcome(self) -> Outcome:
        """Of the newest executed height."""

    def execute(self, committed: Committed, batches: Sequence[Batch]) -> Outcome:
        """Execute the next height; the batches stand in the order of the references."""

    def execute_in_slices(
        self, committed: Committed, batches: Sequence[Batch]
    ) -> Generator[None, None, Outcome]:
        """The same with pauses, a millisecond or two of work apart; nothing else is asked of it meanwhile."""
