"""A PostgreSQL of our own: killed and paused with all its backends, it keeps what was committed."""

import asyncio
import time

import asyncpg
import pytest
import pytest_asyncio

from sps.runtime.errors import Refusal
from sps_cli.servers.child import Child, children
from sps_cli.servers.postgres import PostgresServer
from sps_cli.servers.proxy import Proxy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory):
    server = PostgresServer(tmp_path_factory.mktemp("own") / "postgres")
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def postgres(running):
    """Running, and without the databases of the tests before."""
    await running.start()
    for name in NAMES:
        await running.drop_database(name)
    return running


NAMES = ("shop", 'odd "name', "mine")


async def connect(url):
    return await asyncpg.connect(url.replace("+asyncpg", ""), timeout=5)


async def count(url):
    connection = await connect(url)
    try:
        return await connection.fetchval("SELECT count(*) FROM kept")
    finally:
        await connection.close()


async def test_killed_with_its_backends_it_has_what_was_committed_at_its_address(postgres):
    url = await postgres.create_database("shop")
    connection = await connect(url)
    await connection.execute("CREATE TABLE kept (x int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    await connection.execute("BEGIN; INSERT INTO kept VALUES (2)")
    backends = children(postgres.pid)
    assert backends
    await postgres.kill()
    assert not postgres.alive
    assert not await postgres.answers()
    connection.terminate()
    await postgres.start()
    assert postgres.url_of("shop") == url
    assert await count(url) == 1


async def test_a_stop_does_not_wait_for_sessions_and_a_restart_is_the_same_server(postgres):
    url = await postgres.create_database("shop")
    connection = await connect(url)
    await connection.execute("CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)")
    began = time.monotonic()
    await postgres.restart()
    assert time.monotonic() - began < 10
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("INSERT INTO kept VALUES (2)")
    assert await count(url) == 1


async def test_paused_no_session_is_answered_and_resumed_each_goes_on(postgres):
    connection = await connect(postgres.url)
    postgres.pause()
    answer = asyncio.create_task(connection.fetchval("SELECT 7"))
    await asyncio.sleep(0.2)
    assert not answer.done()
    postgres.resume()
    assert await answer == 7
    await connection.close()


async def test_a_transaction_whose_answer_was_lost_is_there(postgres):
    url = await postgres.create_database("shop")
    proxy = Proxy(postgres.address)
    await proxy.start()
    try:
        through = await connect(url.replace(postgres.address, proxy.address))
        await through.execute("CREATE TABLE kept (x int)")
        proxy.drop_answers()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await through.execute("INSERT INTO kept VALUES (1)")
        through.terminate()
    finally:
        await proxy.stop()
    assert await count(url) == 1


async def test_what_durability_stands_on_is_switched_on(postgres):
    connection = await connect(postgres.url)
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await connection.fetchval(f"SHOW {name}") == "on"
    assert await connection.fetchval("SHOW max_connections") == "200"
    await connection.close()


async def test_a_database_is_made_once_and_dropped_even_when_it_is_in_use(postgres):
    url = await postgres.create_database('odd "name')
    with pytest.raises(Refusal, match="DATABASE_EXISTS"):
        await postgres.create_database('odd "name')
    connection = await connect(url.replace(" ", "%20").replace('"', "%22"))
    await postgres.drop_database('odd "name')
    await postgres.drop_database('odd "name')
    connection.terminate()
    await postgres.create_database('odd "name')


async def test_a_server_that_was_given_is_used_and_left_alone(postgres, tmp_path):
    given = PostgresServer(tmp_path / "none", given=postgres.url)
    await given.start()
    assert given.alive
    assert not (tmp_path / "none").exists()
    assert await given.create_database("mine") == postgres.url_of("mine")
    for harm in (given.pause, given.resume):
        with pytest.raises(Refusal, match="NOT_OURS"):
            harm()
    for harm in (given.kill, given.restart):
        with pytest.raises(Refusal, match="NOT_OURS"):
            await harm()
    await given.stop()
    assert await postgres.answers()


async def test_it_waits_for_what_is_left_of_the_server_before_it(tmp_path, monkeypatch):
    server = PostgresServer(tmp_path)
    once = tmp_path / "once"

    async def late():
        """Says once what a server says that finds the shared memory of another."""
        script = f"[ -e {once} ] || {{ touch {once}; echo 'block is still in use'; exit 1; }}; sleep 60"
        return Child(["sh", "-c", script], server.log)

    async def answers():
        return once.exists() and server.alive

    monkeypatch.setattr(server, "_prepare", late)
    monkeypatch.setattr(server, "answers", answers)
    await server.start()
    assert server.alive
    await server.kill()


async def test_a_long_path_and_a_start_after_a_broken_first_one_are_no_obstacle(tmp_path):
    folder = tmp_path / ("deep-" * 30)
    (folder / "draft").mkdir(parents=True)
    (folder / "draft" / "half").touch()
    server = PostgresServer(folder)
    try:
        await server.start()
        assert await server.answers()
        assert PostgresServer(folder).url == server.url
    finally:
        await server.stop()
