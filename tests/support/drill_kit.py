"""What an operator does in a drill: loses a database or a broker, takes a backup, restores it; and the clock."""

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from empty_broker import replaced
from sqlalchemy import text

from sps.runtime.database import Database
from sps_cli.provision import apply_topics
from sps_cli.servers.postgres_binaries import postgres_binaries
from sps_cli.wiring import NODES, SERVICES, database_name

READY_S: Final = 60.0
TOOL_S: Final = 60.0

FROM_THE_CHAIN: Final = {
    "contract-api": ("contract", "event", "payout", "quote", "balance", "block", "batch"),
    "carrier-gateway": (),
    "payment-gateway": ("chain_order",),
    "settlement": ("book", "account", "journal", "posting", "inbox", "payout_order", "open_quote"),
}
"""Tables that an empty database gets back by itself, of each service."""
OWN_WORDS: Final = frozenset({"seq", "published_ms", "last_height", "opened_ms"})
"""Columns whose values belong to this database: our own numbers and times, and what goes on."""


class Times:
    """Seconds of each drill, for the table at the end."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def of(self, what: str):
        began = time.monotonic()
        yield
        self.lines.append(f"{what:66} {time.monotonic() - began:6.1f} s")

    def show(self) -> None:
        sys.stdout.write("\n".join(["", "drills", *self.lines, ""]))


async def lose_database(arena, service: str) -> None:
    """The service dies with its database; an empty one is made in its place."""
    if arena.fleet.alive(service):
        await arena.fleet.kill(service)
    await arena.postgres.drop_database(database_name(service))
    await arena.postgres.create_database(database_name(service))


async def start(arena, *names: str, **changes: object) -> None:
    """Start processes and wait until they are ready."""
    for name in names:
        await arena.fleet.start_one(name, **changes)
    await asyncio.gather(*(arena.fleet.ready(name, READY_S) for name in names))


def backup(arena, service: str, folder: Path) -> Path:
    """`pg_dump` of a service's database while it runs."""
    file = folder / f"{service}.dump"
    _tool("pg_dump", "--format=custom", f"--file={file}", _url(arena, service))
    return file


async def restore(arena, service: str, file: Path) -> None:
    """The service dies; its database is what the file says."""
    await lose_database(arena, service)
    await asyncio.to_thread(
        _tool, "pg_restore", "--exit-on-error", f"--dbname={_url(arena, service)}", str(file)
    )


async def lose_kafka(arena) -> None:
    """An empty broker comes in its place and gets its topics."""
    await replaced(arena.kafka)
    await apply_topics(arena.fleet.wiring.backends.event_log)


async def everybody_again(arena) -> None:
    """Stop all validators and services and start them."""
    ended = await arena.fleet.stop([*NODES, *SERVICES])
    assert {name: each.how for name, each in ended.items() if not each.well} == {}
    await start(arena, *NODES, *SERVICES)


async def rows(arena, service: str, table: str) -> set[tuple]:
    """All rows of a table without the columns in `OWN_WORDS`."""
    database = Database(arena.postgres.url_of(database_name(service)))
    try:
        async with database.reading() as connection:
            found = (await connection.execute(text(f'TABLE "{table}"'))).mappings().all()
    finally:
        await database.stop()
    return {tuple(sorted((k, str(v)) for k, v in row.items() if k not in OWN_WORDS)) for row in found}


async def ids(arena, service: str, query: str) -> set[str]:
    """The identifiers that a query gives."""
    database = Database(arena.postgres.url_of(database_name(service)))
    try:
        async with database.reading() as connection:
            return set((await connection.execute(text(query))).scalars())
    finally:
        await database.stop()


async def count(arena, service: str, query: str) -> int:
    """The number that a query gives."""
    database = Database(arena.postgres.url_of(database_name(service)))
    try:
        async with database.reading() as connection:
            return int(await connection.scalar(text(query)) or 0)
    finally:
        await database.stop()


def forget_stripe_keys(arena) -> int:
    """What Stripe does with idempotency keys after a day; returns how many."""
    import sqlite3

    with sqlite3.connect(arena.folder.path / "db" / "sandbox.sqlite", timeout=10) as connection:
        return connection.execute("DELETE FROM stored").rowcount


def _url(arena, service: str) -> str:
    return urlunsplit(urlsplit(arena.postgres.url_of(database_name(service)))._replace(scheme="postgresql"))


def _tool(name: str, *words: str) -> None:
    done = subprocess.run(  # noqa: S603 our own words
        [str(postgres_binaries() / name), *words], capture_output=True, text=True, timeout=TOOL_S, check=False
    )
    assert done.returncode == 0, done.stderr
