"""How far a service has projected the chain: one row, moved in the transaction of the projection itself.

The owner's epoch is a fence: of two instances on one database the one that started last goes on, and the
other's next step fails instead of being done twice.
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Select, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sps.runtime.errors import Defect, Refusal
from sps.runtime.tables import block_cursor

_cursor: Final = block_cursor.c
_INSERT: Final = text(
    "INSERT INTO block_cursor (stream, chain_id, owner_epoch, height, block_id, app_hash)"
    " VALUES (:stream, :chain_id, 0, 0, :block_id, :app_hash) ON CONFLICT (stream) DO NOTHING"
)


class Fenced(Defect):
    """Another instance of this service has taken over this database, or the row was changed by hand."""


class OtherChain(Refusal):
    """The database was filled from the blocks of another chain."""


class Cursor(Struct, frozen=True):
    """The newest projected block: its height, its id, and the application hash after it."""

    height: int
    block_id: bytes
    app_hash: bytes


class CursorRow:
    """The cursor of one stream, as its owner sees it."""

    def __init__(self, stream: str, chain_id: bytes) -> None:
        self._stream: Final = stream
        self._chain_id: Final = chain_id
        self._epoch = 0

    async def claim(self, connection: AsyncConnection, origin: Cursor) -> Cursor:
        """Become the owner; returns where the projection stands (`origin` when it never began).

        Raises `OtherChain` when the database was filled from another genesis.
        """
        values = {"block_id": origin.block_id, "app_hash": origin.app_hash}
        await connection.execute(_INSERT, {"stream": self._stream, "chain_id": self._chain_id} | values)
        row = (await connection.execute(self._select())).one()
        if row.chain_id != self._chain_id:
            raise OtherChain(
                "OTHER_CHAIN",
                f"the database belongs to chain {row.chain_id.hex()}, the genesis document names"
                f" {self._chain_id.hex()}; give the service the database of its own chain, or an empty one",
            )
        await connection.execute(
            update(block_cursor)
            .where(_cursor.stream == self._stream)
            .values(owner_epoch=_cursor.owner_epoch + 1)
        )
        row = (await connection.execute(self._select())).one()
        self._epoch = row.owner_epoch
        return Cursor(row.height, row.block_id, row.app_hash)

    async def hold(self, connection: AsyncConnection) -> Cursor:
        """Where the projection stands, and nobody else moves it until the end of this transaction.

        Waits for whoever is moving it now. Raises `Fenced` when it is not ours any more.
        """
        row = (await connection.execute(self._select().with_for_update())).one()
        if row.owner_epoch != self._epoch:
            raise Fenced(f"owner epoch {self._epoch} has been followed by {row.owner_epoch}")
        return Cursor(row.height, row.block_id, row.app_hash)

    async def advance(self, connection: AsyncConnection, before: int, after: Cursor) -> None:
        """Move from height `before`; nobody else moves it until the end of this transaction.

        Raises `Fenced` when the row is not where we left it.
        """
        ours = (
            _cursor.stream == self._stream,
            _cursor.owner_epoch == self._epoch,
            _cursor.height == before,
        )
        moved = await connection.execute(
            update(block_cursor)
            .where(*ours)
            .values(height=after.height, block_id=after.block_id, app_hash=after.app_hash)
        )
        if moved.rowcount != 1:
            raise Fenced(f"the cursor is not at height {before} in owner epoch {self._epoch} any more")

    def _select(self) -> Select[Any]:
        return select(block_cursor).where(_cursor.stream == self._stream)
