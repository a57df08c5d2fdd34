"""PostgreSQL when it is ill: killed, paused, behind a broken network. Everything ends within its bound."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import insert, select, text

from sps.runtime import database as module
from sps.runtime import database_engine
from sps.runtime.bulk import copy_rows
from sps.runtime.database import Database, DatabaseLimits, DatabaseTrouble
from sps.runtime.tables import COMMON_TABLES, outbox_batch
from sps_cli.servers.postgres import PostgresServer
from sps_cli.servers.proxy import Proxy

LIMITS = DatabaseLimits(statement_timeout_s=1.5, connect_timeout_s=1.5, idle_in_transaction_s=1.5)
ANSWER_S = 1.7
SLACK_S = 1.5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[PostgresServer]:
    started = PostgresServer(tmp_path_factory.mktemp("ill"))
    await started.start()
    yield started
    await started.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(database_engine, "ANSWER_MARGIN_S", ANSWER_S - LIMITS.statement_timeout_s)
    monkeypatch.setattr(database_engine, "PING_S", 0.5)
    monkeypatch.setattr(module, "COMMIT_S", 1.5)
    monkeypatch.setattr(module, "STOP_S", 0.5)


@pytest.fixture
async def url(server: PostgresServer, tmp_path: Path) -> AsyncIterator[str]:
    name = f"ill_{os.urandom(4).hex()}"
    made = await server.create_database(name)
    async with opened(made) as database, database.transaction() as connection:
        await connection.run_sync(lambda sync: [table.create(sync) for table in COMMON_TABLES])
    yield made
    await server.drop_database(name)


@pytest.fixture
async def proxy(server: PostgresServer) -> AsyncIterator[Proxy]:
    made = Proxy(server.address)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def distant(url: str, server: PostgresServer, proxy: Proxy) -> AsyncIterator[Database]:
    async with opened(url.replace(server.address, proxy.address)) as database:
        yield database


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, LIMITS)
    yield database
    await database.stop()


async def write(connection, seq: int) -> None:
    await connection.execute(insert(outbox_batch).values(seq=seq, digest=b"\0" * 32, sealed_ms=seq))


async def written(url: str) -> set[int]:
    async with opened(url) as database, database.reading() as connection:
        return set(await connection.scalars(select(outbox_batch.c.seq)))


async def one(database: Database, seq: int) -> None:
    async with database.transaction() as connection:
        await write(connection, seq)


async def fill_the_pool(database: Database) -> None:
    async with database.reading() as a, database.reading() as b:
        await a.execute(text("SELECT 1"))
        await b.execute(text("SELECT 1"))


async def took(work) -> float:
    """How long until trouble, which has to come."""
    began = time.monotonic()
    with pytest.raises(DatabaseTrouble):
        await work
    return time.monotonic() - began


async def test_a_restart_of_the_server_costs_idle_connections_nothing(server, url) -> None:
    async with opened(url) as database:
        await fill_the_pool(database)
        await server.restart()
        await fill_the_pool(database)
        await one(database, 1)
    assert await written(url) == {1}


async def test_a_killed_server_is_trouble_until_it_is_back_and_then_all_is_well(server, url) -> None:
    async def under_way() -> None:
        async with database.transaction() as connection:
            await write(connection, 2)
            await server.kill()
            await write(connection, 3)

    async with opened(url) as database:
        await one(database, 1)
        with pytest.raises(DatabaseTrouble) as caught:
            await under_way()
        assert not caught.value.outcome_unknown
        assert await took(one(database, 4)) < LIMITS.connect_timeout_s + SLACK_S
        await server.start()
        await one(database, 5)
    assert await written(url) == {1, 5}


async def test_a_paused_server_is_left_after_the_bound(server, url) -> None:
    async with opened(url) as database:
        await one(database, 1)
        server.pause()
        try:
            assert await took(one(database, 2)) < ANSWER_S + SLACK_S
            assert await took(one(database, 3)) < LIMITS.connect_timeout_s + SLACK_S
        finally:
            server.resume()
        await one(database, 4)
    assert {1, 4} <= await written(url)


class Pausing(list):
    """Rows that pause the server when the first tenth of them is on its way."""

    server: PostgresServer

    def __iter__(self):
        for number, row in enumerate(super().__iter__()):
            if number == len(self) // 10:
                self.server.pause()
            yield row


async def test_a_copy_into_a_server_that_is_paused_under_it_is_left_after_the_bound(server, url) -> None:
    rows = Pausing((seq, b"\0" * 32, b"x" * 20_000, 0) for seq in range(1_000))
    rows.server = server

    async def copy() -> None:
        async with database.transaction() as connection:
            await copy_rows(connection, outbox_batch, ("seq", "digest", "record", "sealed_ms"), rows)

    async with opened(url) as database:
        try:
            assert await took(copy()) < ANSWER_S + SLACK_S
        finally:
            server.resume()
        await one(database, 5_000)
    assert await written(url) == {5_000}


async def test_stop_is_bounded_while_the_server_is_paused_and_work_is_going_on(server, url) -> None:
    database = Database(url, LIMITS)
    await fill_the_pool(database)
    under_way = asyncio.Event()

    async def sleep() -> None:
        async with database.transaction() as connection:
            await write(connection, 1)
            under_way.set()
            await connection.execute(text("SELECT pg_sleep(5)"))

    task = asyncio.create_task(sleep())
    await under_way.wait()
    server.pause()
    try:
        began = time.monotonic()
        await database.stop()
        assert time.monotonic() - began < 0.5 + SLACK_S
        with pytest.raises(DatabaseTrouble):
            await task
    finally:
        server.resume()


async def test_stop_is_bounded_while_the_server_is_dead(server, url) -> None:
    database = Database(url, LIMITS)
    await fill_the_pool(database)
    await server.kill()
    try:
        began = time.monotonic()
        await database.stop()
        assert time.monotonic() - began < 0.5 + SLACK_S
    finally:
        await server.start()


async def test_a_commit_whose_answer_is_lost_is_unknown_and_only_a_look_tells(proxy, distant, url) -> None:
    async def unanswered() -> None:
        async with distant.transaction() as connection:
            await write(connection, 1)
            proxy.drop_answers()

    with pytest.raises(DatabaseTrouble) as caught:
        await unanswered()
    assert caught.value.outcome_unknown
    assert await written(url) == {1}
    await proxy.heal()
    await one(distant, 2)
    assert await written(url) == {1, 2}


async def test_a_black_hole_is_left_after_the_bound_and_its_locks_are_gone_soon(proxy, distant, url) -> None:
    async def into_the_hole() -> None:
        async with distant.transaction() as connection:
            await write(connection, 1)
            proxy.hold()
            await write(connection, 2)

    await one(distant, 0)
    assert await took(into_the_hole()) < ANSWER_S + SLACK_S
    async with opened(url) as near:
        async with asyncio.timeout(LIMITS.idle_in_transaction_s + SLACK_S):
            await one(near, 1)  # waits for the unfinished transaction of the other
    await proxy.heal()
    await one(distant, 3)
    assert await written(url) == {0, 1, 3}


async def test_a_cut_network_is_trouble_at_once(proxy, distant, url) -> None:
    await one(distant, 1)
    await proxy.cut()
    assert await took(one(distant, 2)) < SLACK_S
    await proxy.heal()
    await one(distant, 3)
    assert await written(url) == {1, 3}


async def test_a_connection_that_rested_and_is_silent_is_replaced_before_its_use(url, monkeypatch) -> None:
    monkeypatch.setattr(database_engine, "IDLE_S", 0.0)
    async with opened(url) as database:
        async with database.reading() as connection:
            backend = int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar())
        os.kill(backend, signal.SIGSTOP)
        try:
            await one(database, 1)
        finally:
            os.kill(backend, signal.SIGCONT)
    assert await written(url) == {1}


async def test_a_session_that_the_operator_ends_costs_one_try(url) -> None:
    async def ended() -> None:
        async with database.transaction() as connection:
            await write(connection, 1)
            backend = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
            async with operator.transaction() as other:
                await other.execute(text(f"SELECT pg_terminate_backend({backend})"))
            await write(connection, 2)

    async with opened(url) as database, opened(url) as operator:
        assert await took(ended()) < SLACK_S
        await one(database, 3)
    assert await written(url) == {3}
