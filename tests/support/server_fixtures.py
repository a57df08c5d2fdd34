"""Real servers for the tests that need them: one of each per worker, started at its first use.

Tests that kill, pause or stop a server start their own.
"""

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from sps_cli.servers.command import GIVEN_KAFKA, GIVEN_POSTGRES
from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.postgres import PostgresServer


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaServer]:
    """A Kafka broker without topics; `SPS_TEST_KAFKA` gives the address of one's own."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka"), given=os.environ.get(GIVEN_KAFKA, ""))
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    """A PostgreSQL server; `SPS_TEST_POSTGRES` gives the URL of one's own."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), given=os.environ.get(GIVEN_POSTGRES, ""))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def kafka_prefix() -> str:
    """A prefix for names of topics that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def spare_databases(postgres_server: PostgresServer) -> AsyncIterator[list[str]]:
    """Names of databases that tests have left empty; to empty one costs a tenth of dropping and making one."""
    names: list[str] = []
    yield names
    for name in names:
        await postgres_server.drop_database(name)


@pytest_asyncio.fixture
async def postgres_database(
    postgres_server: PostgresServer, spare_databases: list[str]
) -> AsyncIterator[str]:
    """The URL of an empty database that nobody else uses meanwhile."""
    if spare_databases:
        name = spare_databases.pop()
    else:
        name = f"t{uuid.uuid4().hex[:16]}"
        await postgres_server.create_database(name)
    url = postgres_server.url_of(name)
    yield url
    await _emptied(url)
    spare_databases.append(name)


async def _emptied(url: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database of either kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'fresh.db'}"
    return str(request.getfixturevalue("postgres_database"))
