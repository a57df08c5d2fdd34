"""What an installation needs on its servers before anything starts: databases and topics."""

from typing import Final

import asyncpg
from sqlalchemy import make_url

from sps.eventlog.address import read_address
from sps.eventlog.kafka_topics import apply
from sps.eventlog.port import LogRefused, LogTrouble
from sps.runtime.errors import Refusal
from sps_cli.wiring import SERVICES, database_name

CONNECT_S: Final = 10.0
WANTED: Final = tuple(database_name(service) for service in SERVICES)


async def refuse_databases(postgres: str) -> None:
    """Refuse a server on which another state folder's chain is stored already."""
    connection = await _connect(postgres)
    try:
        known = await _known(connection)
    finally:
        await connection.close(timeout=CONNECT_S)
    if known:
        raise Refusal(
            "DATABASES_EXIST",
            f"the server holds {', '.join(sorted(known))} already, made for another state folder; "
            "start on that folder, or drop them, or give another server",
        )


async def create_databases(postgres: str) -> list[str]:
    """Make the databases that are missing; returns their names."""
    connection = await _connect(postgres)
    try:
        known = await _known(connection)
        missing = [name for name in WANTED if name not in known]
        for name in missing:
            await connection.execute(f'CREATE DATABASE "{name}"')
        return missing
    finally:
        await connection.close(timeout=CONNECT_S)


async def apply_topics(event_log: str) -> list[str]:
    """Make the topics that are missing, with as many copies as the address says; returns their names."""
    place = read_address(event_log)
    try:
        return await apply(event_log, replication=getattr(place, "replication", 1))
    except LogTrouble as error:
        raise Refusal("NO_KAFKA", f"Kafka does not answer at {event_log}: {error}") from error
    except LogRefused as error:
        raise Refusal("TOPICS", str(error)) from error


async def _known(connection: "asyncpg.Connection[asyncpg.Record]") -> set[str]:
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname = ANY($1)", list(WANTED))
    return {str(row["datname"]) for row in rows}


async def _connect(postgres: str) -> "asyncpg.Connection[asyncpg.Record]":
    url = make_url(postgres).set(drivername="postgresql")
    try:
        return await asyncpg.connect(url.render_as_string(hide_password=False), timeout=CONNECT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        shown = url.render_as_string(hide_password=True)
        raise Refusal("NO_POSTGRES", f"PostgreSQL does not answer at {shown}: {error}") from error
