"""The port `Store` on the sandbox's database. A record is a row with the same names.

Everything here is read, decided and written, so there is one writer at a time, as SQLite has it: a simulator
gains nothing by more, and its books are never wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import Row, Select, Table, false, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sandbox.adapters.tables import TABLES
from sandbox.application.errors import SandboxRefused
from sandbox.application.ports import PAGE_MAX
from sps.runtime.database import Database, on_commit, one_at_a_time
from sps.runtime.errors import Trouble

R = TypeVar("R", bound=Struct)

TURN_S: Final = 10.0
"""How long a writer waits for the writers before it."""
_WRITING: Final = "sandbox"


class DatabaseUnit:
    """One transaction's view of all records."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, record: R) -> R:
        values, table = asdict(record), TABLES[type(record)]
        del values["id"]
        _check(table, values)
        done = await self._connection.execute(insert(table).values(values))
        key = done.inserted_primary_key
        if key is None:
            raise LookupError("the database gave no id")
        return replace(record, id=key[0])

    async def save(self, record: R) -> R:
        values = asdict(record)
        table = TABLES[type(record)]
        _check(table, values)
        await self._connection.execute(update(table).where(table.c.id == values.pop("id")).values(values))
        return record

    async def find(self, kind: type[R], /, **where: Any) -> R | None:
        table = TABLES[kind]
        query = _where(table, where).order_by(table.c.id.desc()).limit(1)
        row = (await self._connection.execute(query)).first()
        return None if row is None else _record(kind, row)

    async def find_all(
        self,
        kind: type[R],
        /,
        *,
        limit: int = PAGE_MAX,
        newest_first: bool = False,
        below_id: int = 0,
        since_ms: int = 0,
        **where: Any,
    ) -> list[R]:
        table = TABLES[kind]
        query = _where(table, where).limit(limit)
        query = query.order_by(table.c.id.desc() if newest_first else table.c.id)
        if below_id:
            query = query.where(table.c.id < below_id)
        if since_ms:
            query = query.where(table.c.created_ms >= since_ms)
        return [_record(kind, row) for row in await self._connection.execute(query)]

    async def due(self, kind: type[R], now_ms: int, limit: int, /, **where: Any) -> list[R]:
        table = TABLES[kind]
        query = _where(table, where).where(table.c.due_ms > 0, table.c.due_ms <= now_ms)
        query = query.order_by(table.c.due_ms, table.c.id).limit(limit)
        return [_record(kind, row) for row in await self._connection.execute(query)]

    async def next_due_ms(self, kind: type[R], /, **where: Any) -> int | None:
        table = TABLES[kind]
        query = select(func.min(table.c.due_ms)).where(table.c.due_ms > 0)
        for name, value in where.items():
            query = query.where(table.c[name] == value)
        found: int | None = (await self._connection.execute(query)).scalar()
        return found

    def after_commit(self, callback: Callable[[], None]) -> None:
        on_commit(self._connection, callback)


class DatabaseStore:
    """Opens units."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[DatabaseUnit]:
        # Who waits here waits without a connection, so that readers have one.
        async with self._my_turn(), self._database.transaction() as connection:
            await one_at_a_time(connection, _WRITING)
            yield DatabaseUnit(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[DatabaseUnit]:
        async with self._database.reading() as connection:
            yield DatabaseUnit(connection)

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise Trouble(f"another writer was at it for {TURN_S} s") from error
        try:
            yield
        finally:
            self._turn.release()


def _where(table: Table, where: dict[str, Any]) -> Select[Any]:
    query = select(table)
    for name, value in where.items():
        # What could not be written is not there; PostgreSQL would not even look for it.
        fits = _is_storable(value)
        query = query.where(table.c[name] == value if fits else false())
    return query


def _check(table: Table, values: Mapping[str, Any]) -> None:
    """SQLite would take anything; here both databases refuse alike what one of them cannot keep."""
    for name, value in values.items():
        length = getattr(table.c[name].type, "length", None)
        if not _is_storable(value) or (length is not None and len(value) > length):
            raise SandboxRefused("UNFIT_TEXT", f"{name} is too long or no text")


def _is_storable(value: Any) -> bool:
    """Whether a database keeps it: no NUL, and no half characters."""
    if not isinstance(value, str):
        return True
    return "\0" not in value and value.encode("utf-8", "replace").decode() == value


def _record(kind: type[R], row: Row[Any]) -> R:
    return kind(**row._mapping)  # noqa: SLF001 SQLAlchemy's public name for a row as a mapping
