"""What a service does with a block: its read models, intents and books, in the follower's transaction."""

from typing import Protocol

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from sps.chain.batch import Batch
from sps.chain.block import Committed
from sps.chain.header import Header
from sps.chain.receipt import Receipt
from sps.chain.state import ChainState


class ExecutedBlock(Struct, frozen=True):
    """A final block and what executing it did."""

    block_id: bytes
    committed: Committed
    batches: tuple[Batch, ...]
    """In the order of the references."""
    receipts: tuple[Receipt, ...]
    """Deadlines first, then transactions in block order."""
    state: ChainState
    """The chain after this block. Read it during `apply` only; the next block changes it."""
    previous_app_hash: bytes
    app_hash: bytes

    @property
    def header(self) -> Header:
        return self.committed.header

    @property
    def height(self) -> int:
        return self.committed.header.height

    @property
    def time_ms(self) -> int:
        """Block time, the only clock of the contract."""
        return self.committed.header.time_ms


class Projection(Protocol):
    """Called by the follower once for each block that ends up committed, in order."""

    async def apply(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        """Write what this block means to the service.

        Only through `connection`, never outward: the transaction may be rolled back and the block come
        again. An exception that is no trouble stops the service at this height.
        """


class NoProjection:
    """For a service that only watches the state."""

    async def apply(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        """Nothing is kept."""
