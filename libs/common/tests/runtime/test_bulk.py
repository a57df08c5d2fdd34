"""Many rows at once are the same rows as one by one, on either database, and part of their transaction."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from sps.runtime import bulk
from sps.runtime.bulk import among, copy_rows, rows_of, update_rows
from sps.runtime.database import Database
from sps.runtime.errors import is_trouble

METADATA = MetaData()
THING = Table(
    "thing",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=True),
)
COLUMNS = ("name", "number", "body")
THREE = [("a", 1, b"\0x"), ("b", 2**62, None), ("c", -3, b"")]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    async with opened.transaction() as connection:
        await connection.run_sync(METADATA.create_all)
    yield opened
    await opened.stop()


async def put(database: Database, rows) -> None:
    async with database.transaction() as connection:
        await copy_rows(connection, THING, COLUMNS, rows)


async def there(database: Database) -> list[tuple]:
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(select(THING).order_by(THING.c.name))]


async def test_rows_are_written_as_they_are(database: Database) -> None:
    await put(database, THREE)
    await put(database, [])
    assert await there(database) == THREE


async def test_what_is_written_first_in_a_transaction_is_rolled_back_with_it(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await copy_rows(connection, THING, COLUMNS, THREE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await there(database) == []


async def test_a_row_that_breaks_a_constraint_writes_none_and_is_no_trouble(database: Database) -> None:
    await put(database, THREE[:1])
    for wrong in [("a", 5, None), ("z", None, None)]:
        with pytest.raises(IntegrityError) as caught:
            await put(database, [("y", 4, None), wrong])
        assert not is_trouble(caught.value)
    assert await there(database) == THREE[:1]
    await put(database, THREE[1:])
    assert await there(database) == THREE


async def test_a_value_of_the_wrong_kind_is_no_trouble(database: Database) -> None:
    with pytest.raises((DBAPIError, OverflowError)) as caught:
        await put(database, [("y", 2**70, None)])
    assert not is_trouble(caught.value)
    assert await there(database) == []


async def test_only_the_rows_that_are_named_change(database: Database) -> None:
    await put(database, THREE)
    async with database.transaction() as connection:
        await update_rows(connection, THING, "name", ("number", "body"), [("c", 7, b"c"), ("a", 8, None)])
        await update_rows(connection, THING, "name", ("number",), [])
        await update_rows(connection, THING, "name", ("number",), [("nobody", 9)])
    assert await there(database) == [("a", 8, None), THREE[1], ("c", 7, b"c")]


async def test_rows_are_found_by_their_keys_however_many(database: Database, monkeypatch) -> None:
    monkeypatch.setattr(bulk, "KEYS_MAX", 7)
    many = [(f"{number:03}", number, None) for number in range(50)]
    await put(database, many)
    async with database.reading() as connection:
        found = await rows_of(connection, THING, "name", ("number",), [name for name, _, _ in many[:30]])
        assert sorted(map(tuple, found)) == [(name, number) for name, number, _ in many[:30]]
        assert await rows_of(connection, THING, "name", ("number",), []) == []
        query = select(THING.c.number).where(among(connection, THING.c.number, [3, 5, 99]))
        assert sorted(await connection.scalars(query)) == [3, 5]
