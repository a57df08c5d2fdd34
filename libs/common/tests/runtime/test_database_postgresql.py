"""PostgreSQL when it is well: its bounds, its kinds of failures, its locks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from sps.runtime.database import (
    Database,
    DatabaseLimits,
    DatabaseTrouble,
    SilentRollback,
    one_at_a_time,
)
from sps.runtime.errors import is_trouble
from sps.runtime.tables import COMMON_TABLES, outbox_batch

LIMITS = DatabaseLimits(
    pool_size=2,
    overflow=0,
    wait_s=0.1,
    statement_timeout_s=11,
    lock_timeout_s=6,
    idle_in_transaction_s=12,
)


@pytest.fixture
async def database(postgres_database: str) -> AsyncIterator[Database]:
    opened = Database(postgres_database, LIMITS)
    async with opened.transaction() as connection:
        await connection.run_sync(lambda sync: [table.create(sync) for table in COMMON_TABLES])
        await connection.execute(insert(outbox_batch), [row(seq) for seq in (1, 2)])
    yield opened
    await opened.stop()


def row(seq: int) -> dict[str, object]:
    return {"seq": seq, "digest": b"\0" * 32, "sealed_ms": 0}


async def mark(connection, seq: int, value: int, hurry: str = "") -> None:
    if hurry:
        await connection.execute(text(f"SET LOCAL {hurry}"))
    await connection.execute(update(outbox_batch).where(outbox_batch.c.seq == seq).values(sealed_ms=value))


async def marks(connection) -> list[int]:
    return list(await connection.scalars(select(outbox_batch.c.sealed_ms).order_by(outbox_batch.c.seq)))


async def shown(connection, *names: str) -> list[str]:
    return [(await connection.execute(text(f"SHOW {name}"))).scalar() for name in names]


async def test_the_server_is_told_our_bounds(database: Database) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit")
    async with database.transaction() as connection:
        assert await shown(connection, *names) == ["11s", "6s", "12s", "on"]


async def test_writers_read_what_is_committed_and_readers_have_one_view(database: Database) -> None:
    isolation = ("transaction_isolation", "transaction_read_only")
    async with database.reading() as reader, database.transaction() as writer:
        assert await marks(reader) == [0, 0]
        await mark(writer, 1, 7)
        assert await shown(reader, *isolation) == ["repeatable read", "on"]
        assert await shown(writer, *isolation) == ["read committed", "off"]
    async with database.reading() as reader:
        before = await marks(reader)
        async with database.transaction() as writer:
            await mark(writer, 2, 8)
        assert await marks(reader) == before == [7, 0]


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseTrouble, match="read-only"):  # the same words as from a standby
        async with database.reading() as connection:
            await mark(connection, 1, 1)


async def test_a_commit_after_a_failed_statement_is_never_called_a_success(database: Database) -> None:
    async def go_on() -> None:
        async with database.transaction() as connection:
            await mark(connection, 1, 7)
            with pytest.raises(DBAPIError):
                await connection.execute(insert(outbox_batch), [row(1)])

    with pytest.raises(SilentRollback) as caught:
        await go_on()
    assert not is_trouble(caught.value)
    async with database.reading() as connection:
        assert await marks(connection) == [0, 0]


async def test_a_savepoint_lets_a_statement_fail(database: Database) -> None:
    async with database.transaction() as connection:
        await mark(connection, 1, 7)
        with pytest.raises(DBAPIError):
            async with connection.begin_nested():
                await connection.execute(insert(outbox_batch), [row(1)])
    async with database.reading() as connection:
        assert await marks(connection) == [7, 0]


async def test_a_value_that_does_not_fit_is_not_trouble(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.transaction() as connection:
            await mark(connection, 1, 2**70)
    assert not is_trouble(caught.value)


async def test_a_statement_that_takes_too_long_is_trouble(database: Database) -> None:
    async def sleep() -> None:
        async with database.transaction() as connection:
            await mark(connection, 1, 1, hurry="statement_timeout = '50ms'")
            await connection.execute(text("SELECT pg_sleep(5)"))

    with pytest.raises(DatabaseTrouble, match="statement timeout"):
        await sleep()


async def test_a_lock_that_is_not_to_be_had_is_trouble(database: Database) -> None:
    async with database.transaction() as holder:
        await mark(holder, 1, 1)
        with pytest.raises(DatabaseTrouble, match="lock timeout"):
            async with database.transaction() as other:
                await mark(other, 1, 2, hurry="lock_timeout = '50ms'")


async def test_of_two_that_wait_for_each_other_one_is_told(database: Database) -> None:
    both = asyncio.Barrier(2)

    async def cross(first: int, second: int) -> None:
        async with database.transaction() as connection:
            await mark(connection, first, first, hurry="deadlock_timeout = '10ms'")
            await both.wait()
            await mark(connection, second, first)

    ends = await asyncio.gather(cross(1, 2), cross(2, 1), return_exceptions=True)
    assert sorted(type(end) for end in ends if end) == [DatabaseTrouble]
    assert "deadlock" in str(next(end for end in ends if end))


async def test_who_does_nothing_in_a_transaction_loses_it(database: Database) -> None:
    async def dawdle() -> None:
        async with database.transaction() as connection:
            await mark(connection, 1, 1, hurry="idle_in_transaction_session_timeout = '50ms'")
            await asyncio.sleep(0.3)
            await mark(connection, 2, 1)

    with pytest.raises(DatabaseTrouble) as caught:
        await dawdle()
    assert not caught.value.outcome_unknown
    async with database.reading() as connection:
        assert await marks(connection) == [0, 0]


async def test_no_free_connection_is_trouble_within_the_bound(database: Database) -> None:
    async with database.reading(), database.reading():
        with pytest.raises(DatabaseTrouble, match="no free connection"):
            async with database.reading():
                pass


async def test_a_server_that_takes_no_more_connections_is_trouble(database: Database) -> None:
    role = "only_one_" + database.url.rpartition("/")[2]
    async with database.transaction() as connection:
        await connection.execute(text(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1"))
    crowded = Database(database.url.replace("//sps@", f"//{role}@"), LIMITS)
    try:
        async with crowded.reading():
            with pytest.raises(DatabaseTrouble, match="too many connections"):
                async with crowded.reading():
                    pass
    finally:
        await crowded.stop()
        async with database.transaction() as connection:
            await connection.execute(text(f"DROP ROLE {role}"))


async def test_a_database_that_is_not_there_is_not_trouble(database: Database) -> None:
    wrong = Database(database.url + "_not", LIMITS)
    with pytest.raises(DBAPIError, match="does not exist") as caught:
        async with wrong.reading():
            pass
    assert not is_trouble(caught.value)
    await wrong.stop()


async def test_tables_that_a_newer_release_has_changed_cost_one_try(database: Database) -> None:
    newer = Database(database.url)
    change = f"ALTER TABLE {outbox_batch.name} ALTER sealed_ms TYPE integer"
    async with database.transaction() as connection:
        assert await marks(connection) == [0, 0]
    async with newer.transaction() as connection:
        await connection.execute(text(change))
    with pytest.raises(DatabaseTrouble):
        async with database.transaction() as connection:
            await marks(connection)
    async with database.transaction() as connection:
        assert await marks(connection) == [0, 0]
    await newer.stop()


async def test_one_name_is_held_by_one_transaction_at_a_time(database: Database) -> None:
    order: list[str] = []

    async def hold(name: str, who: str) -> None:
        async with database.transaction() as connection:
            await one_at_a_time(connection, name)
            order.append(f"{who} in")
            await asyncio.sleep(0.02)
            order.append(f"{who} out")

    await asyncio.gather(hold("relay", "a"), hold("relay", "b"))
    first, second = order[0][0], order[2][0]
    assert order == [f"{first} in", f"{first} out", f"{second} in", f"{second} out"]
    await asyncio.gather(hold("one", "a"), hold("other", "b"))
    assert [line.endswith("in") for line in order[4:]] == [True, True, False, False]
