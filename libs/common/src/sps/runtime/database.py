"""One transaction at a time to a known end: committed, rolled back, or plainly unknown.

About half of the transactions whose task is cancelled turn out to be committed (`docs/decisions`), so BEGIN,
COMMIT and ROLLBACK run in tasks of their own which no cancellation reaches. What leaves the block says how
it ended:

- nothing: committed;
- `CancelledAfterCommit`: cancelled while COMMIT ran, and committed;
- `DatabaseTrouble` with `outcome_unknown`: COMMIT got no answer; look it up before doing it again;
- anything else: rolled back.

After a statement has failed nothing more can be done in its transaction: on PostgreSQL what follows fails
as well, and a COMMIT in spite of it is a `SilentRollback`, a defect.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeVar
from weakref import WeakSet

from sqlalchemy import QueuePool, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sps.runtime.database_engine import (
    DEFAULT,
    DatabaseLimits,
    SilentRollback,
    cut_off,
    make_engine,
    manner_of,
)
from sps.runtime.database_trouble import DatabaseTrouble, is_refused_commit, raise_ours

__all__ = [
    "DEFAULT",
    "CancelledAfterCommit",
    "Database",
    "DatabaseLimits",
    "DatabaseTrouble",
    "SilentRollback",
    "on_commit",
    "one_at_a_time",
]

Result = TypeVar("Result")

WRITE_WAIT_S: Final = 10.0
"""How long a writer waits for the writers before it (SQLite has one writer)."""
TRANSACTION_S: Final = 60.0
"""The longest that a transaction may stay open, whatever it waits for."""
COMMIT_S: Final = 10.0
STOP_S: Final = 3.0

_CALLBACKS: Final = "sps_on_commit"
_HOLD: Final = text("SELECT pg_advisory_xact_lock(CAST(:name AS BIGINT))")


class CancelledAfterCommit(asyncio.CancelledError):
    """The task was cancelled while COMMIT ran, and the transaction is committed."""


class Database:
    """One database of one service. Open until `stop`; nothing connects before the first use."""

    def __init__(self, url: str, limits: DatabaseLimits = DEFAULT) -> None:
        self.url: Final = url
        self._engine: Final = make_engine(make_url(url), limits)
        self._dialect: Final = self._engine.dialect.name
        # One writer at a time is SQLite's rule; waiting here is fair and costs no polling.
        self._turn: Final = asyncio.Lock() if self._dialect == "sqlite" else None
        self._open: Final[WeakSet[Any]] = WeakSet()
        self._left: Final[set[asyncio.Future[None]]] = set()
        self._beginning: Final[set[asyncio.Task[Any] | None]] = set()
        self._stopped = False
        event.listen(self._engine.sync_engine, "connect", self._opened)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes; see the module for what leaves the block. Not to be nested."""
        async with self._write_turn():
            connection = await _to_the_end(self._begin(writes=True), undo=_throw_away)
            async with _rolled_back_on_error(connection), asyncio.timeout(TRANSACTION_S):
                yield connection
            await self._commit(connection)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view for several queries; never writes."""
        connection = await _to_the_end(self._begin(writes=False), undo=_throw_away)
        async with _rolled_back_on_error(connection), asyncio.timeout(TRANSACTION_S):
            yield connection
        await _to_the_end(_give_up(connection, broken=False))

    async def stop(self) -> None:
        """Close all connections, within `STOP_S`, also when the server does not answer. For good."""
        self._stopped = True
        try:
            async with asyncio.timeout(STOP_S):
                while beginning := {task for task in self._beginning if task is not None}:
                    await asyncio.wait(beginning)
                await self._engine.dispose()
        except (OSError, DBAPIError):  # TimeoutError among them
            pass
        finally:
            await cut_off(self._dialect, tuple(self._open))

    def _opened(self, connection: Any, _record: Any) -> None:
        self._open.add(connection.driver_connection)

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
        if self._stopped:
            raise DatabaseTrouble("the database is closed: this process is ending")
        task = asyncio.current_task()
        self._beginning.add(task)
        try:
            return await self._begun(writes=writes)
        finally:
            self._beginning.discard(task)

    async def _begun(self, *, writes: bool) -> AsyncConnection:
        connection = self._engine.connect()
        try:
            await connection.start()
            if manner := manner_of(self._dialect, writes=writes):
                await connection.execution_options(**manner)
            await connection.begin()
        except BaseException as error:
            await _throw_away(connection)
            raise_ours(error)
            raise
        connection.info[_CALLBACKS] = []
        return connection

    async def _commit(self, connection: AsyncConnection) -> None:
        callbacks: list[Callable[[], None]] = connection.info.pop(_CALLBACKS, [])
        task = asyncio.ensure_future(_commit_and_return(connection))
        cancelled = await _outlast(task, COMMIT_S)
        if not task.done():
            self._leave(task, connection)
            raise DatabaseTrouble(f"COMMIT got no answer in {COMMIT_S} s", outcome_unknown=True)
        task.result()
        for callback in callbacks:
            callback()
        if cancelled:
            raise CancelledAfterCommit

    def _leave(self, task: asyncio.Future[None], connection: AsyncConnection) -> None:
        """It ends by itself, throws its connection away, and nobody asks how."""

        def ended(task: asyncio.Future[None]) -> None:
            self._left.discard(task)
            if not task.cancelled():
                task.exception()

        self._left.add(task)
        task.add_done_callback(ended)
        _hang_up(connection)
        task.cancel()

    def pool_status(self) -> dict[str, int]:
        """Connections by state: `in_use` and `idle` ones of the pool, `overflow` in use beyond its size."""
        pool = self._engine.pool
        used, idle, size = (
            (pool.checkedout(), pool.checkedin(), pool.size()) if isinstance(pool, QueuePool) else (0, 0, 0)
        )
        return {"in_use": min(used, size), "idle": idle, "overflow": max(0, used - size)}


def on_commit(connection: AsyncConnection, callback: Callable[[], None]) -> None:
    """Call back right after this transaction is committed, and only then; the callback must not fail.

    After an unknown outcome nobody is called, so what depends on it also looks by itself now and then.
    """
    connection.info[_CALLBACKS].append(callback)


async def one_at_a_time(connection: AsyncConnection, what: str) -> None:
    """Wait until no other transaction holds this name; ours holds it to its end.

    For steps that read and then write by what they read. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        name = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)
        await connection.execute(_HOLD, {"name": name})


@contextlib.asynccontextmanager
async def _rolled_back_on_error(connection: AsyncConnection) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as error:
        silent = isinstance(error, OSError)  # TimeoutError among them
        if silent:
            _hang_up(connection)
        await _to_the_end(_give_up(connection, broken=silent or not isinstance(error, Exception)))
        raise_ours(error)
        raise


async def _commit_and_return(connection: AsyncConnection) -> None:
    try:
        await connection.commit()
    except BaseException as error:
        if isinstance(error, SilentRollback) or is_refused_commit(error):
            await _give_up(connection, broken=False)
            raise_ours(error)
            raise
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


def _hang_up(connection: AsyncConnection) -> None:
    """Close the socket without a word: who does not answer would not answer a farewell either."""
    with contextlib.suppress(Exception):  # there may be no connection any more, and SQLite's cannot do it
        _driver_of(connection).terminate()


def _driver_of(connection: AsyncConnection) -> Any:
    return connection.sync_connection and connection.sync_connection.connection.driver_connection


async def _throw_away(connection: AsyncConnection) -> None:
    with contextlib.suppress(Exception):  # it is being thrown away; nothing more can be lost
        await connection.invalidate()
    with contextlib.suppress(Exception):
        await connection.close()


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
