"""A PostgreSQL server of one test's own, to be killed and started again, and what is said meanwhile."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx

from sps_cli.servers.postgres import PostgresServer

BACK_S: Final = 60.0
POLL_S: Final = 0.05
UNAVAILABLE: Final = 503


@contextlib.asynccontextmanager
async def own_postgres(folder: Path) -> AsyncIterator[tuple[PostgresServer, str]]:
    """The server, and the URL of an empty database on it."""
    server = PostgresServer(folder / "own-postgres")
    await server.start()
    try:
        yield server, await server.create_database("service")
    finally:
        await server.stop()


def told_to_come_back(answer: httpx.Response) -> bool:
    """A problem document with 503 and Retry-After; nothing of our insides."""
    assert answer.status_code == UNAVAILABLE, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "UNAVAILABLE"
    return True


async def once_back(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask again while we are told to come back; the first other answer."""
    end = time.monotonic() + BACK_S
    while True:
        answer = await ask()
        if answer.status_code != UNAVAILABLE:
            return answer
        assert time.monotonic() < end, f"still 503 after {BACK_S} s"
        await asyncio.sleep(POLL_S)
