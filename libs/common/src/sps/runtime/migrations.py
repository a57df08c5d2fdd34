"""Migrations of a service: `<package>/adapters/migrations/versions`, one Alembic environment for all.

A migration runs in one transaction (SQLite: under the write lock; PostgreSQL: under an advisory lock), so
that two starting processes do not meet, and an interrupted one leaves the database as it was.
"""

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import alembic.autogenerate
import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from sps.runtime.database import Database, DatabaseLimits, DatabaseTrouble
from sps.runtime.errors import Defect

Result = TypeVar("Result")

UPGRADE_S: Final = 60.0
LIMITS: Final = DatabaseLimits(
    statement_timeout_s=UPGRADE_S, lock_timeout_s=UPGRADE_S, idle_in_transaction_s=UPGRADE_S
)
"""The advisory lock is waited for as long as another process may migrate."""
_LOCK: Final = 0x5350_5331
"""The advisory lock's number, "SPS1"."""
_HOLD: Final = text("SELECT pg_advisory_xact_lock(CAST(:lock AS BIGINT))")
# A table that is in use is not waited for long: whoever comes after us would have to wait as well.
_HURRY: Final = text("SET LOCAL lock_timeout = '10s'")
_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


class BadPackage(Defect):
    """The package has no migrations where they belong."""


async def upgrade(url: str, package: str, revision: str = "head") -> None:
    """Bring the database of a service up to a revision."""
    await _run(url, lambda connection: alembic.command.upgrade(_config(package, connection), revision))


async def downgrade(url: str, package: str, revision: str = "base") -> None:
    """Take the database of a service back to a revision."""
    await _run(url, lambda connection: alembic.command.downgrade(_config(package, connection), revision))


async def current_revision(url: str) -> str | None:
    """The revision that the database has; None when it is empty."""
    return await _run(url, lambda connection: MigrationContext.configure(connection).get_current_revision())


async def differences(url: str, metadata: MetaData) -> list[Any]:
    """What autogenerate would still change; a test asserts that it is empty after `upgrade`."""

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(alembic.autogenerate.compare_metadata(context, metadata))

    return await _run(url, compare)


async def round_trip(url: str, package: str, metadata: MetaData) -> None:
    """For the test of every service: up, down, up again, and nothing is left to generate."""
    await upgrade(url, package)
    await downgrade(url, package)
    await upgrade(url, package)
    left = await differences(url, metadata)
    if left:
        raise AssertionError(f"the migrations of {package} do not make its tables: {left}")


async def _run(url: str, work: Callable[[Connection], Result]) -> Result:
    database = Database(url, LIMITS)
    try:
        async with asyncio.timeout(UPGRADE_S), _one_at_a_time(), database.transaction() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(_HOLD, {"lock": _LOCK})
                await connection.execute(_HURRY)
            return await connection.run_sync(work)
    except TimeoutError as error:
        raise DatabaseTrouble(f"a migration took more than {UPGRADE_S} s") from error
    finally:
        await database.stop()


def _one_at_a_time() -> asyncio.Lock:
    """Alembic's context is global to the process: two migrations at once would meet in it."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


def _config(package: str, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", _escaped(Path(__file__).with_name("alembic_environment")))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", _escaped(versions_of(package)))
    config.attributes["connection"] = connection
    return config


def versions_of(package: str) -> Path:
    """Where the migrations of a package lie."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise BadPackage(f"there is no package {package}")
    path = Path(next(iter(places))) / "adapters" / "migrations" / "versions"
    if not path.is_dir():
        raise BadPackage(f"{package} has no adapters/migrations/versions")
    return path


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
