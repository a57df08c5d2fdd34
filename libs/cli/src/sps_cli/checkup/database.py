"""The database: there, ours to use, safe for money, its tables known to this program, by the same clock."""

import asyncio
import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

import asyncpg
from alembic.script import ScriptDirectory
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from sps.runtime.migrations import versions_of
from sps_cli.checkup.findings import Report
from sps_cli.checkup.services import Known, Patient

CONNECT_S: Final = 5.0
ANSWER_S: Final = 5.0
CLOCK_S: Final = 2.0
"""Clocks that differ by more than this are wrong: deadlines are told to people by the edge's clock."""

_BY_KIND: Final[dict[type[Exception], str]] = {
    asyncpg.InvalidPasswordError: "give the right user and password",
    asyncpg.InvalidAuthorizationSpecificationError: "let this user in (pg_hba.conf), or give another one",
    asyncpg.InvalidCatalogNameError: "CREATE DATABASE it, owned by this user",
    asyncpg.CannotConnectNowError: "the server is starting or stopping: wait",
    asyncpg.TooManyConnectionsError: "raise max_connections, or lower the pools",
}


async def look_at_database(report: Report, known: Known, patient: Patient) -> None:
    """Its findings; nothing when the service has none or its address is wrong."""
    url: str | None = known.database_url
    if not url or not patient.package:
        return
    try:
        parts = make_url(url)
    except ArgumentError:
        report.wrong("database_url", "it is not a URL", "postgresql+asyncpg://user:password@host/database")
        return
    if parts.drivername == "postgresql+asyncpg":
        await _look_at_postgres(report, parts, patient)
    elif parts.drivername == "sqlite+aiosqlite" and parts.database:
        _look_at_sqlite(report, Path(parts.database), patient)
    else:
        report.wrong(
            "database_url",
            f"there is no driver {parts.drivername}",
            "postgresql+asyncpg://… or sqlite+aiosqlite:///…",
        )


async def _look_at_postgres(report: Report, url: URL, patient: Patient) -> None:
    where = url.set(drivername="postgresql").render_as_string(hide_password=True)
    _, options = url.get_dialect()().create_connect_args(url)
    try:
        connection = await asyncpg.connect(**options, timeout=CONNECT_S, command_timeout=ANSWER_S)
    except (
        OSError,
        TimeoutError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        ValueError,
        TypeError,
    ) as error:
        advice = _BY_KIND.get(type(error), "start the server, or correct the address")
        report.wrong("database", f"{where}: {str(error) or type(error).__name__}", advice)
        return
    try:
        async with asyncio.timeout(ANSWER_S):
            await _ask(report, connection, where, patient)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        report.wrong("database", f"{where}: {str(error) or type(error).__name__}", "look at the server's log")
    finally:
        connection.terminate()


async def _ask(report: Report, connection: Any, where: str, patient: Patient) -> None:
    version = await connection.fetchval("SHOW server_version")
    report.ok("database", f"{where}: PostgreSQL {version}")
    for setting, wanted in (("fsync", "on"), ("full_page_writes", "on"), ("server_encoding", "UTF8")):
        found = await connection.fetchval(f"SHOW {setting}")
        if found != wanted:
            report.wrong(
                "database", f"{setting} is {found}", f"set it to {wanted}: what is committed has to stay"
            )
    if not await connection.fetchval("SELECT has_schema_privilege(current_schema(), 'CREATE')"):
        report.wrong("database", "this user may not create tables", "GRANT CREATE ON SCHEMA public to it")
    revision = None
    if await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    look_at_revision(report, revision, patient)
    before = time.time()
    theirs = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
    look_at_clock(report, theirs - (before + time.time()) / 2, "the database's")


def _look_at_sqlite(report: Report, path: Path, patient: Patient) -> None:
    if path.exists():
        try:
            revision = _revision_in(path)
        except sqlite3.Error as error:
            report.wrong("database", f"{path}: {error}", "restore it from a backup")
            return
        report.ok("database", f"{path} can be read")
        look_at_revision(report, revision, patient)
    elif os.access(path.parent, os.W_OK | os.X_OK):
        report.note("database", f"there is none at {path} yet", "the first start makes it")
    else:
        report.wrong("database", f"{path.parent} is no folder that we may write to", "make the folder")


def _revision_in(path: Path) -> str | None:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=ANSWER_S)
    try:
        there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if there else None
        return str(row[0]) if row else None
    finally:
        connection.close()


def look_at_revision(report: Report, revision: str | None, patient: Patient) -> None:
    """Whether this program knows the tables."""
    known = revisions_of(patient.package)
    if revision is None:
        report.note("tables", "there are none yet", "the first start makes them")
    elif revision not in known:
        report.wrong(
            "tables",
            f"their revision {revision} is not one of {patient.package}'s",
            "run the newer program, or give this service's own database",
        )
    elif revision != known[0]:
        report.note(
            "tables", f"at {revision}, behind {known[0]}", "the start brings them up; make a backup first"
        )
    else:
        report.ok("tables", f"at {revision}")


def revisions_of(package: str) -> list[str]:
    """The revisions of a service's tables, the newest first."""
    versions = versions_of(package)
    scripts = ScriptDirectory(str(versions.parent), version_locations=[str(versions)])
    return [script.revision for script in scripts.walk_revisions()]


def look_at_clock(report: Report, ahead_s: float, whose: str) -> None:
    """`ahead_s`: how far the other clock is before ours."""
    if abs(ahead_s) > CLOCK_S:
        report.wrong(
            "clock",
            f"ours is {abs(ahead_s):.1f} s {'behind' if ahead_s > 0 else 'ahead of'} {whose}",
            "run NTP (chrony, systemd-timesyncd) on both machines",
        )
    else:
        report.ok("clock", f"within {CLOCK_S:g} s of {whose}")
