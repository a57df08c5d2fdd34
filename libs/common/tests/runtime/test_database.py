"""A transaction ends in one of the ways that the module names, whatever hits it, and whenever."""

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sps.runtime import database as module
from sps.runtime import database_engine
from sps.runtime.database import CancelledAfterCommit, Database, DatabaseTrouble, on_commit
from sps.runtime.database_engine import BUSY_MS
from sps.runtime.errors import is_trouble
from sps.runtime.tables import COMMON_TABLES, outbox_batch

ROUNDS = 300
ESCAPES = 0.2
"""The share of rounds whose first transaction is not cancelled."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    async with opened.transaction() as connection:
        await connection.run_sync(lambda sync: [table.create(sync) for table in COMMON_TABLES])
    yield opened
    await opened.stop()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite+aiosqlite:///{tmp_path / 'embedded.db'}")
    yield opened
    await opened.stop()


async def write(connection, seq: int) -> None:
    await connection.execute(insert(outbox_batch).values(seq=seq, digest=b"\0" * 32, sealed_ms=seq))


async def written(database: Database) -> set[int]:
    async with database.reading() as connection:
        return set(await connection.scalars(select(outbox_batch.c.seq)))


async def test_what_a_block_wrote_is_there_after_it(database: Database) -> None:
    async with database.transaction() as connection:
        await write(connection, 1)
    assert await written(database) == {1}


async def test_an_exception_rolls_back_and_stays_what_it_is(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await write(connection, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await written(database) == set()


async def test_a_broken_constraint_is_not_trouble(database: Database) -> None:
    async def twice() -> None:
        async with database.transaction() as connection:
            await write(connection, 1)
            await write(connection, 1)

    with pytest.raises(IntegrityError):
        await twice()
    assert await written(database) == set()


async def test_sqlite_is_set_to_lose_nothing(embedded: Database) -> None:
    async with embedded.reading() as connection:
        found = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, BUSY_MS]


async def test_writers_take_turns_and_readers_see_the_last_commit(database: Database) -> None:
    async def one(seq: int) -> None:
        async with database.transaction() as connection:
            await asyncio.sleep(0)
            await write(connection, seq)

    await asyncio.gather(*(one(seq) for seq in range(50)))
    assert await written(database) == set(range(50))


async def test_a_reader_never_waits_for_the_writer(database: Database) -> None:
    async with database.transaction() as connection:
        await write(connection, 1)
        assert await written(database) == set()


async def test_a_writer_of_sqlite_that_waits_too_long_is_told(embedded: Database, monkeypatch) -> None:
    monkeypatch.setattr(module, "WRITE_WAIT_S", 0.01)
    async with embedded.transaction():
        with pytest.raises(DatabaseTrouble, match="another writer"):
            async with embedded.transaction():
                pass


async def test_a_mistake_of_ours_is_not_trouble(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT broken FROM nowhere"))
    assert not is_trouble(caught.value)


async def test_a_transaction_that_takes_too_long_is_trouble_and_rolled_back(
    database: Database, monkeypatch
) -> None:
    async def dawdle() -> None:
        async with database.transaction() as connection:
            await write(connection, 1)
            await asyncio.sleep(60)

    with monkeypatch.context() as patched:
        patched.setattr(module, "TRANSACTION_S", 0.05)
        with pytest.raises(DatabaseTrouble):
            await dawdle()
    assert await written(database) == set()


async def test_call_backs_come_after_commit_and_only_then(database: Database) -> None:
    calls: list[int] = []

    async def fail() -> None:
        async with database.transaction() as connection:
            on_commit(connection, lambda: calls.append(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.transaction() as connection:
        on_commit(connection, lambda: calls.append(2))
        assert calls == []
    assert calls == [2]


async def test_a_commit_without_an_answer_is_unknown_and_the_connection_is_thrown_away(
    database: Database, monkeypatch
) -> None:
    async def lost(self) -> None:
        await real(self)
        raise OSError("the answer is lost")

    real = module.AsyncConnection.commit
    with monkeypatch.context() as patched:
        patched.setattr(module.AsyncConnection, "commit", lost)
        with pytest.raises(DatabaseTrouble) as caught:
            async with database.transaction() as connection:
                await write(connection, 7)
    assert caught.value.outcome_unknown
    assert await written(database) == {7}, "this time it was committed; only a look could tell"


async def test_a_commit_that_hangs_is_unknown_after_a_bound(database: Database, monkeypatch) -> None:
    async def hang(self) -> None:
        await asyncio.sleep(60)

    with monkeypatch.context() as patched:
        patched.setattr(module, "COMMIT_S", 0.02)
        patched.setattr(module.AsyncConnection, "commit", hang)
        with pytest.raises(DatabaseTrouble) as caught:
            async with database.transaction() as connection:
                await write(connection, 7)
    assert caught.value.outcome_unknown
    await asyncio.sleep(0.05)
    async with database.transaction() as connection:
        await write(connection, 8)
    assert 8 in await written(database)


async def test_random_cancellations_never_make_a_false_report(database: Database) -> None:
    chance = random.Random(20_261_123)
    reports: dict[int, str] = {}

    async def work(seq: int) -> None:
        reports[seq] = "rolled back"
        try:
            async with database.transaction() as connection:
                await write(connection, seq)
                await connection.execute(select(outbox_batch.c.seq).limit(1))
        except CancelledAfterCommit:
            reports[seq] = "committed"
            raise
        reports[seq] = "committed"

    began = time.perf_counter()
    await work(-1)
    usual_s = time.perf_counter() - began
    async with asyncio.timeout(60):  # a cancelled statement must not keep the write lock
        for start in range(0, ROUNDS, 4):
            tasks = [asyncio.create_task(work(seq)) for seq in range(start, start + 4)]
            for task in tasks[chance.random() < ESCAPES :]:
                await asyncio.sleep(chance.random() * usual_s)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    assert await written(database) == {seq for seq, report in reports.items() if report == "committed"}
    assert set(reports.values()) == {"committed", "rolled back"}


async def test_the_database_works_on_after_many_cancelled_readers(database: Database) -> None:
    async def read() -> None:
        async with database.reading() as connection:
            await connection.execute(select(outbox_batch.c.seq))

    for delay in range(40):
        task = asyncio.create_task(read())
        await asyncio.sleep(delay * 0.0001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await asyncio.wait_for(written(database), 2) == set()


async def test_after_stop_no_thread_of_sqlite_is_left_to_speak_to_a_loop_that_may_be_closed(
    embedded: Database,
) -> None:
    before = set(threading.enumerate())
    count = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")

    async def asks() -> None:
        async with embedded.reading() as connection:
            await connection.execute(count)  # for ever

    task = asyncio.create_task(asks())
    await asyncio.sleep(0.2)  # long enough to be at the statement
    assert set(threading.enumerate()) - before
    task.cancel()
    begun = time.monotonic()
    await embedded.stop()
    assert time.monotonic() - begun < module.STOP_S
    assert not set(threading.enumerate()) - before
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)


@pytest.mark.parametrize("writes", [True, False])
async def test_after_stop_who_held_a_connection_is_told(embedded: Database, writes) -> None:
    before = set(threading.enumerate())

    async def holds_on() -> None:
        async with embedded.transaction() if writes else embedded.reading() as connection:
            await embedded.stop()
            assert not set(threading.enumerate()) - before
            await connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseTrouble):
        await holds_on()


async def test_stop_waits_for_a_connection_that_is_being_made_and_then_there_are_no_more(
    embedded: Database, monkeypatch
) -> None:
    before = set(threading.enumerate())

    def slowly(self, *words, **more) -> None:
        time.sleep(0.2)
        sqlite3.Connection.__init__(self, *words, **more)

    monkeypatch.setattr(database_engine._LettingGo, "__init__", slowly, raising=False)
    task = asyncio.create_task(written(embedded))
    await asyncio.sleep(0.05)
    task.cancel()
    await embedded.stop()
    assert not set(threading.enumerate()) - before
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(DatabaseTrouble):
        await written(embedded)
