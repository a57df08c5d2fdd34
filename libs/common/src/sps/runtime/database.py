"""One transaction at a time to a known end: committed, rolled back, or plainly unknown.

About half of the transactions whose task is cancelled turn out to be committed (`docs/decisions`), so BEGIN,
COMMIT and ROLLBACK run in tasks of their own which no cancellation reaches. What leaves the block says how
it ended:

- nothing: committed;
- `CancelledAfterCommit`: cancelled while COMMIT ran, and committed;
- `DatabaseTrouble` with `outcome_unknown`: COMMIT got no answer; look it up before doing it again;
- anything else: rolled back.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeVar

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sps.runtime.errors import Trouble

Result = TypeVar("Result")

POOL_SIZE: Final = 4
POOL_OVERFLOW: Final = 4
POOL_WAIT_S: Final = 10.0
WRITE_WAIT_S: Final = 10.0
"""How long a writer waits for the writers before it (SQLite has one writer)."""
BUSY_MS: Final = 5_000
COMMIT_S: Final = 10.0
STOP_S: Final = 3.0

_WRITES: Final = "sps_writes"
_CALLBACKS: Final = "sps_on_commit"


class DatabaseTrouble(Trouble):
    """The database failed; with `outcome_unknown` the transaction may or may not be committed."""

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class CancelledAfterCommit(asyncio.CancelledError):
    """The task was cancelled while COMMIT ran, and the transaction is committed."""


class Database:
    """One database of one service. Open until `stop`; nothing connects before the first use."""

    def __init__(self, url: str) -> None:
        self.url: Final = url
        self._engine: Final = make_engine(make_url(url))
        # One writer at a time is SQLite's rule; waiting here is fair and costs no polling.
        self._turn: Final = asyncio.Lock() if self._engine.dialect.name == "sqlite" else None

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes; see the module for what leaves the block. Not to be nested."""
        async with self._write_turn():
            connection = await _to_the_end(self._begin(writes=True), undo=_throw_away)
            try:
                yield connection
            except BaseException as error:
                await _to_the_end(_give_up(connection, broken=not isinstance(error, Exception)))
                _raise_ours(error)
                raise
            await self._commit(connection)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view for several queries; never writes."""
        connection = await _to_the_end(self._begin(writes=False), undo=_throw_away)
        try:
            yield connection
        except BaseException as error:
            await _to_the_end(_give_up(connection, broken=not isinstance(error, Exception)))
            _raise_ours(error)
            raise
        await _to_the_end(_give_up(connection, broken=False))

    async def stop(self) -> None:
        """Close all connections, within `STOP_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _write_turn(self) -> AsyncIterator[None]:
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(WRITE_WAIT_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise DatabaseTrouble(f"another writer held the database for {WRITE_WAIT_S} s") from error
        try:
            yield
        finally:
            self._turn.release()

    async def _begin(self, *, writes: bool) -> AsyncConnection:
        connection = self._engine.connect()
        try:
            await connection.start()
            await connection.execution_options(**{_WRITES: writes})
            await connection.begin()
        except BaseException as error:
            await _throw_away(connection)
            _raise_ours(error)
            raise
        connection.info[_CALLBACKS] = []
        return connection

    async def _commit(self, connection: AsyncConnection) -> None:
        callbacks: list[Callable[[], None]] = connection.info.pop(_CALLBACKS, [])
        task = asyncio.ensure_future(_commit_and_return(connection))
        cancelled = await _outlast(task, COMMIT_S)
        if not task.done():
            task.cancel()
            raise DatabaseTrouble(f"COMMIT got no answer in {COMMIT_S} s", outcome_unknown=True)
        task.result()
        for callback in callbacks:
            callback()
        if cancelled:
            raise CancelledAfterCommit


def on_commit(connection: AsyncConnection, callback: Callable[[], None]) -> None:
    """Call back right after this transaction is committed, and only then; the callback must not fail.

    After an unknown outcome nobody is called, so what depends on it also looks by itself now and then.
    """
    connection.info[_CALLBACKS].append(callback)


def make_engine(url: URL) -> AsyncEngine:
    """An engine with our bounds; all that is special about a dialect is in this function."""
    sqlite = url.get_backend_name() == "sqlite"
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_WAIT_S,
        hide_parameters=True,
        connect_args={"factory": _LettingGo} if sqlite else {},
    )
    if sqlite:
        event.listen(engine.sync_engine, "connect", _sqlite_connected)
        event.listen(engine.sync_engine, "begin", _sqlite_begin)
    return engine


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
    writes = connection.get_execution_options().get(_WRITES, True)
    # A writer that begins as a reader can fail in the middle; so it takes the lock first.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def _commit_and_return(connection: AsyncConnection) -> None:
    try:
        await connection.commit()
    except IntegrityError:  # a deferred constraint: the database says that it rolled back
        await _give_up(connection, broken=False)
        raise
    except BaseException as error:
        await _throw_away(connection)
        raise DatabaseTrouble("the outcome of COMMIT is unknown", outcome_unknown=True) from error
    await connection.close()


async def _give_up(connection: AsyncConnection, *, broken: bool) -> None:
    """Roll back and return the connection, or throw it away when a statement was interrupted."""
    if broken:
        await _throw_away(connection)
        return
    try:
        await connection.rollback()
        await connection.close()
    except (DBAPIError, OSError):
        await _throw_away(connection)


async def _throw_away(connection: AsyncConnection) -> None:
    with contextlib.suppress(Exception):  # it is being thrown away; nothing more can be lost
        await connection.invalidate()
    with contextlib.suppress(Exception):
        await connection.close()


def _raise_ours(error: BaseException) -> None:
    """Raise `DatabaseTrouble` for the world's failures; everything else stays what it is."""
    if isinstance(error, PoolTimeout):
        raise DatabaseTrouble(f"no free connection in {POOL_WAIT_S} s") from error
    if isinstance(error, DBAPIError) and _is_worldly(error):
        raise DatabaseTrouble(f"the database failed: {error.orig}") from error


def _is_worldly(error: DBAPIError) -> bool:
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


async def _outlast(task: asyncio.Future[Any], limit_s: float | None = None) -> bool:
    """Wait for the task whatever happens to us; tell whether we were cancelled meanwhile."""
    cancelled = False
    loop = asyncio.get_running_loop()
    end = None if limit_s is None else loop.time() + limit_s
    while not task.done() and (end is None or loop.time() < end):
        try:
            await asyncio.wait({task}, timeout=None if end is None else end - loop.time())
        except asyncio.CancelledError:
            cancelled = True
    return cancelled


async def _to_the_end(
    work: Coroutine[Any, Any, Result], undo: Callable[[Result], Coroutine[Any, Any, None]] | None = None
) -> Result:
    """Run to its end in a task of its own; a cancellation of ours is delivered afterwards, after `undo`."""
    task = asyncio.ensure_future(work)
    if not await _outlast(task):
        return task.result()
    if undo is not None and task.exception() is None:
        await _outlast(asyncio.ensure_future(undo(task.result())))
    raise asyncio.CancelledError
