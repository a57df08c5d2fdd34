"""Many rows with few statements: what a block of a thousand payments needs.

PostgreSQL takes them by COPY and by arrays; SQLite, whose statements cost no round trip, one after the other.
All of it is part of the caller's transaction, and a broken constraint is an `IntegrityError`, as anywhere.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
    TableValuedAlias,
    any_,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sps.runtime.database_engine import answer_s_of

KEYS_MAX: Final = 5_000
"""Values asked for in one statement."""

_BEGIN: Final = text("SELECT 1")
"""BEGIN goes out with the first statement, and COPY does not count as one."""

Rows = Sequence[Sequence[Any]]


async def copy_rows(connection: AsyncConnection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    """Insert rows whose values stand in the order of `columns`."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        await _copy(connection, table.name, columns, rows)
    else:
        await connection.execute(insert(table), _named(columns, rows))


async def update_rows(
    connection: AsyncConnection, table: Table, key: str, columns: Sequence[str], rows: Rows
) -> None:
    """Set `columns` in the row with this key, for each of the rows: first the key, then the values."""
    if not rows:
        return
    names = (key, *columns)
    if connection.dialect.name == "postgresql":
        given = _given(table, names)
        change = update(table).where(table.c[key] == given.c[key]).values({n: given.c[n] for n in columns})
        lists = zip(*rows, strict=True)
        await connection.execute(change, {_bound(n): list(v) for n, v in zip(names, lists, strict=True)})
        return
    change = (
        update(table)
        .where(table.c[key] == bindparam(_bound(key)))
        .values({name: bindparam(_bound(name)) for name in columns})
    )
    await connection.execute(change, _named([_bound(name) for name in names], rows))


async def rows_of(
    connection: AsyncConnection, table: Table, key: str, columns: Sequence[str], keys: Sequence[Any]
) -> list[Any]:
    """Rows whose key is one of these: tuples of the key and the columns; in no order."""
    query = select(*(table.c[name] for name in (key, *columns)))
    rows: list[Any] = []
    for start in range(0, len(keys), KEYS_MAX):
        wanted = keys[start : start + KEYS_MAX]
        rows += await connection.execute(query.where(among(connection, table.c[key], wanted)))
    return rows


def among(connection: AsyncConnection, column: Column[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether the column has one of these values: one statement for all numbers of them."""
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))
    return column.in_(values)


async def _copy(connection: AsyncConnection, table: str, columns: Sequence[str], rows: Rows) -> None:
    driver = await _driver_of(connection)
    if not driver.is_in_transaction():
        await connection.execute(_BEGIN)
    # The driver's own deadline does not end its waiting for a socket that takes no more.
    with _translated(driver, f"COPY {table}"):
        async with asyncio.timeout(answer_s_of(connection)):
            await driver.copy_records_to_table(table, columns=columns, records=rows)


async def _driver_of(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


@contextlib.contextmanager
def _translated(driver: Any, statement: str) -> Iterator[None]:
    """The driver's errors as SQLAlchemy's, since we went past it."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        broken = isinstance(error, asyncpg.IntegrityConstraintViolationError)
        kind = IntegrityError if broken else DBAPIError
        raise kind(statement, None, error, connection_invalidated=driver.is_closed()) from error


def _given(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """The rows as a table: one array for each column."""
    arrays = [bindparam(_bound(name), type_=ARRAY(table.c[name].type)) for name in names]
    return func.unnest(*arrays).table_valued(*names, name="given").render_derived()


def _bound(name: str) -> str:
    return f"given_{name}"


def _named(names: Sequence[str], rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]
