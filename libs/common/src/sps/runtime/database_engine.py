"""Engines with our bounds; all that is special about SQLite and about PostgreSQL is in this module.

PostgreSQL's own bounds (statement, lock, idle in a transaction) end what a living server does for us. A
server that does not answer at all is left after `DatabaseLimits.answer_s`, by our own clock.
"""

import asyncio
import contextlib
import sqlite3
import threading
import time
from typing import Any, Final

import asyncpg
from msgspec import Struct
from sqlalchemy import URL, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sps.runtime.errors import Defect

BUSY_MS: Final = 5_000
ANSWER_MARGIN_S: Final = 2.0
"""A living server ends a statement itself; so much later we take it for dead."""
IDLE_S: Final = 5.0
"""A connection that rested longer is asked whether it still stands before it is used."""
PING_S: Final = 2.0
FAREWELL_S: Final = 0.5
"""How long a server may take to let a connection go in good order; then the socket is closed."""
THREAD_S: Final = 0.5
"""How long the thread of a connection to SQLite may take to end, once its statement is interrupted."""
THREAD_LOOK_S: Final = 0.002
GONE_CLIENT_S: Final = 5
"""How often a server looks, in the middle of a statement, whether its client is still there."""
KEEPALIVE_S: Final = 10
"""A silent connection is probed by the server after this time, and given up after three probes."""

WRITES: Final = "sps_writes"
_ANSWER_S: Final = "sps_answer_s"
_RESTS_SINCE: Final = "sps_rests_since"
_COMMIT: Final = "COMMIT;"


class SilentRollback(Defect):
    """A statement failed, the code went on, and what it wrote was rolled back by COMMIT."""


class DatabaseLimits(Struct, frozen=True):
    """Bounds of one database. SQLite knows the pool's only."""

    pool_size: int = 4
    """Connections that stay open."""
    overflow: int = 4
    """Further ones when all are in use."""
    wait_s: float = 10.0
    """How long to wait for a free connection."""
    connect_timeout_s: float = 5.0
    statement_timeout_s: float = 10.0
    lock_timeout_s: float = 5.0
    idle_in_transaction_s: float = 10.0
    """The server ends a transaction in which nothing happens: its locks outlive a lost client no longer."""

    @property
    def answer_s(self) -> float:
        """How long we wait for any answer."""
        return self.statement_timeout_s + ANSWER_MARGIN_S


DEFAULT: Final = DatabaseLimits()


def make_engine(url: URL, limits: DatabaseLimits = DEFAULT) -> AsyncEngine:
    """An engine that connects at its first use."""
    sqlite = url.get_backend_name() == "sqlite"
    engine = create_async_engine(
        url,
        pool_size=limits.pool_size,
        max_overflow=limits.overflow,
        pool_timeout=limits.wait_s,
        hide_parameters=True,
        execution_options={_ANSWER_S: limits.answer_s},
        connect_args={"factory": _LettingGo} if sqlite else _postgres_arguments(limits),
        **({} if sqlite else {"isolation_level": "READ COMMITTED"}),
    )
    if sqlite:
        event.listen(engine.sync_engine, "connect", _sqlite_connected)
        event.listen(engine.sync_engine, "begin", _sqlite_begin)
    else:
        event.listen(engine.sync_engine, "checkin", _postgres_rests)
        event.listen(engine.sync_engine, "checkout", _postgres_stands)
    return engine


def manner_of(dialect: str, *, writes: bool) -> dict[str, Any]:
    """Execution options of a transaction that writes, and of one consistent view."""
    if dialect == "sqlite":
        return {WRITES: writes}
    return {} if writes else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


async def cut_off(dialect: str, drivers: tuple[Any, ...]) -> None:
    """End these connections whatever they are doing, and without a word; those that are closed stay so."""
    for driver in drivers:
        if dialect == "postgresql":
            driver.terminate()
        else:
            await _sqlite_cut_off(driver)


def answer_s_of(connection: AsyncConnection) -> float:
    """How long this connection waits for an answer."""
    options = connection.sync_connection.get_execution_options() if connection.sync_connection else {}
    return float(options.get(_ANSWER_S, DEFAULT.answer_s))


# --- PostgreSQL -------------------------------------------------------------------------------------


class _Honest(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no py.typed: its classes are Any
    """Says when a COMMIT was a rollback, and makes no long farewells.

    PostgreSQL answers the COMMIT of a transaction in which a statement failed with ROLLBACK, and no error.
    """

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 the driver's own
        await super().close(timeout=FAREWELL_S if timeout is None else min(timeout, FAREWELL_S))

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 the driver's own
        status: str = await super().execute(query, *args, timeout=timeout)
        if query == _COMMIT and status != "COMMIT":
            raise SilentRollback("a statement of this transaction failed before; all of it was rolled back")
        return status


def _postgres_arguments(limits: DatabaseLimits) -> dict[str, Any]:
    settings = {
        "application_name": "sps",
        "statement_timeout": _ms(limits.statement_timeout_s),
        "lock_timeout": _ms(limits.lock_timeout_s),
        "idle_in_transaction_session_timeout": _ms(limits.idle_in_transaction_s),
        "client_connection_check_interval": _ms(GONE_CLIENT_S),
        "tcp_keepalives_idle": str(KEEPALIVE_S),
        "tcp_keepalives_interval": str(KEEPALIVE_S),
        "tcp_keepalives_count": "3",
        "synchronous_commit": "on",  # what is called committed is on the disk, whatever the server's habit
        "jit": "off",  # our statements are small; compiling them costs more than running them
    }
    return {
        "connection_class": _Honest,
        "timeout": limits.connect_timeout_s,
        "command_timeout": limits.answer_s,
        "server_settings": settings,
    }


def _ms(seconds: float) -> str:
    return str(int(seconds * 1_000))


def _postgres_rests(_connection: Any, record: Any) -> None:
    record.info[_RESTS_SINCE] = time.monotonic()


def _postgres_stands(connection: Any, record: Any, _proxy: Any) -> None:
    """Before use: a connection that a restarted server has closed, or that is dead silent, is replaced."""
    if connection is None or connection.driver_connection.is_closed():
        raise DisconnectionError
    since = record.info.get(_RESTS_SINCE)
    if since is None or time.monotonic() - since < IDLE_S:
        return
    try:
        connection.run_async(lambda driver: driver.execute("SELECT 1", timeout=PING_S))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        connection.driver_connection.terminate()
        gone = DisconnectionError("it does not answer any more")
        gone.invalidate_pool = True  # the others rest as long, or longer
        raise gone from error


# --- SQLite -----------------------------------------------------------------------------------------


class _LettingGo(sqlite3.Connection):
    """Closing lets go of the write lock.

    A statement whose task was cancelled keeps a closed connection alive inside SQLite until the garbage
    collector finds it, and with it the open transaction: every other writer would be locked out.
    """

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.rollback()
        super().close()


def _sqlite_connected(connection: Any, _record: Any) -> None:
    # The driver's own implicit BEGIN comes too late (before the first write); ours comes first.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    writes = connection.get_execution_options().get(WRITES, True)
    # A writer that begins as a reader can fail in the middle; so it takes the lock first.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def _sqlite_cut_off(driver: Any) -> None:
    """End its statement and its thread: left alone it would one day answer to a loop that is closed."""
    with contextlib.suppress(ValueError, sqlite3.Error):  # closed
        await driver.interrupt()
    thread = driver._thread  # noqa: SLF001 the driver has no other way to tell when it has ended
    if not await _ends(thread):  # whoever holds it does not close it; both at once would hang
        driver.stop()
        await _ends(thread)


async def _ends(thread: threading.Thread) -> bool:
    end = time.monotonic() + THREAD_S
    while thread.is_alive() and time.monotonic() < end:  # noqa: ASYNC110 a thread's end has no event
        await asyncio.sleep(THREAD_LOOK_S)
    return not thread.is_alive()
