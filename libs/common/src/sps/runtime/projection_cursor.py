"""How far a service has projected the chain: one row, moved in the transaction of the projection itself.

The owner's epoch is a fence: of two instances on one database the one that started last goes on, and the
other's next step fails instead of being done twice.
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, select, text, update
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

    async def read(self, connection: AsyncConnection) -> Cursor:
        """Where the projection stands. Raises `Fenced` when it is not ours any more."""
        row = (await connection.execute(self._select())).one()
        if row.owner_epoch != self._epoch:
            raise Fenced(f"owner epoch {self._epoch} has been followed by {row.owner_epoch}")
        return Cursor(row.height, row.block_id, row.app_hash)

    async def lock(self, connection: AsyncConnection, height: int) -> None:
        """The first thing in a transaction: nobody else moves the cursor from here on, and it is ours.

        Raises `Fenced` when it is not at this height in our epoch.
        """
        held = await connection.execute(
            update(block_cursor).where(*self._ours_at(height)).values(owner_epoch=self._epoch)
        )
        self._check(held.rowcount, height)

    async def advance(self, connection: AsyncConnection, before: int, after: Cursor) -> None:
        """Move from height `before`; raises `Fenced` when the row is not where we left it."""
        moved = await connection.execute(
            update(block_cursor)
            .where(*self._ours_at(before))
            .values(height=after.height, block_id=after.block_id, app_hash=after.app_hash)
        )
        self._check(moved.rowcount, before)

    def _ours_at(self, height: int) -> tuple[ColumnElement[bool], ...]:
        return (
            _cursor.stream == self._stream,
            _cursor.owner_epoch == self._epoch,
            _cursor.height == height,
        )

    def _check(self, rows: int, height: int) -> None:
        if rows != 1:
            raise Fenced(f"the cursor is not at height {height} in owner epoch {self._epoch} any more")

    def _select(self) -> Select[Any]:
        return select(block_cursor).where(_cursor.stream == self._stream)
