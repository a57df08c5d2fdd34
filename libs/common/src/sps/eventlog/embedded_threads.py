"""The threads of the embedded log. Each owns one connection and tells its news to the event loop.

`Writer`: group commit of all that waits. `Reader`: reads in order of asking. `Watcher`: sees what other
processes wrote. `Keeper`: checkpoints and retention, off the hot path.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from sps.eventlog.embedded_file import (
    LaneRow,
    connect,
    expired_before,
    insert_records,
    read_lanes,
    remove_below,
)
from sps.eventlog.port import LogTrouble, NewRecord, Record

GROUP_JOBS_MAX: Final = 256
GROUP_RECORDS_MAX: Final = 20_000
WATCH_S: Final = 0.003
"""How soon a waiting reader sees what another process wrote."""
KEEPER_S: Final = 1.0
RETENTION_EVERY: Final = 30
"""Keeper rounds between two looks for expired records."""
CHECKPOINT_BYTES: Final = 4_000_000


class Append:
    """One append on its way; `done` belongs to the event loop."""

    __slots__ = ("done", "lane", "records")

    def __init__(self, lane: LaneRow, records: Sequence[NewRecord], done: asyncio.Future[int]) -> None:
        self.lane = lane
        self.records = records
        self.done = done


class Trim:
    """Removal of old records; answers the new bounds."""

    __slots__ = ("before", "done", "lane")

    def __init__(self, lane: LaneRow, before: int, done: asyncio.Future[tuple[int, int]] | None) -> None:
        self.lane = lane
        self.before = before
        self.done = done


class Committed:
    """What one group commit made durable, or why its outcome is unknown; handled on the event loop."""

    __slots__ = ("appends", "trims", "trouble")

    def __init__(self) -> None:
        self.appends: list[tuple[Append, list[Record]]] = []
        self.trims: list[tuple[Trim, tuple[int, int]]] = []
        self.trouble: str | None = None


Job = Append | Trim
Tell = Callable[..., None]
"""`tell(function, *arguments)`: run the function on the event loop; a closed loop is ignored."""


class Writer(threading.Thread):
    """The only writer of this process: takes all that waits, commits once, tells everybody."""

    def __init__(
        self, path: Path, now_ms: Callable[[], int], tell: Tell, on_commit: Callable[[Committed], None]
    ) -> None:
        super().__init__(name="eventlog-writer", daemon=True)
        self._path = path
        self._now_ms = now_ms
        self._tell = tell
        self._on_commit = on_commit
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    def put(self, job: Job) -> None:
        self._jobs.put(job)

    def finish(self) -> None:
        """Ask the thread to end after what already waits."""
        self._jobs.put(None)

    def run(self) -> None:
        connection = connect(self._path)
        more = True
        while more:
            group, more = self._next_group()
            if group:
                self._tell(self._on_commit, self._commit(connection, group))
        connection.close()

    def _next_group(self) -> tuple[list[Job], bool]:
        group: list[Job] = []
        weight = 0
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            weight += len(job.records) if isinstance(job, Append) else 1
            if len(group) >= GROUP_JOBS_MAX or weight >= GROUP_RECORDS_MAX:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _commit(self, connection: sqlite3.Connection, group: list[Job]) -> Committed:
        committed = Committed()
        now_ms = self._now_ms()
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in group:
                if isinstance(job, Append):
                    records = insert_records(connection, job.lane, job.records, now_ms)
                    committed.appends.append((job, records))
                else:
                    committed.trims.append((job, remove_below(connection, job.lane, job.before)))
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 the thread must live; every waiting append is told
            committed.trouble = f"the event log file could not be written: {error}"
            committed.appends = [(job, []) for job in group if isinstance(job, Append)]
            committed.trims = [(job, (0, 0)) for job in group if isinstance(job, Trim)]
            _roll_back(connection)
        return committed


def _roll_back(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):  # the next BEGIN will say so and be told as trouble
        if connection.in_transaction:
            connection.rollback()


class Reader(threading.Thread):
    """Runs queries one after the other on a connection of its own."""

    def __init__(self, path: Path, tell: Tell) -> None:
        super().__init__(name="eventlog-reader", daemon=True)
        self._path = path
        self._tell = tell
        self._jobs: SimpleQueue[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]] | None]
        self._jobs = SimpleQueue()

    def ask(self, query: Callable[[sqlite3.Connection], Any], answer: asyncio.Future[Any]) -> None:
        self._jobs.put((query, answer))

    def finish(self) -> None:
        self._jobs.put(None)

    def run(self) -> None:
        connection = connect(self._path)
        while (job := self._jobs.get()) is not None:
            query, answer = job
            if answer.cancelled():
                continue
            try:
                self._tell(settle, answer, query(connection))
            except sqlite3.Error as error:
                self._tell(fail, answer, LogTrouble(f"the event log file could not be read: {error}"))
            except Exception as error:  # noqa: BLE001 the thread must live; the asker gets it
                self._tell(fail, answer, error)
        connection.close()


class Watcher(threading.Thread):
    """While somebody waits: looks every few milliseconds whether the file changed, then reads the bounds."""

    def __init__(self, path: Path, tell: Tell, on_bounds: Callable[[list[LaneRow]], None]) -> None:
        super().__init__(name="eventlog-watcher", daemon=True)
        self._path = path
        self._tell = tell
        self._on_bounds = on_bounds
        self._wanted = threading.Event()
        self._ended = threading.Event()

    def want(self, wanted: bool) -> None:
        if wanted or self._ended.is_set():
            self._wanted.set()
        else:
            self._wanted.clear()

    def finish(self) -> None:
        self._ended.set()
        self._wanted.set()

    def run(self) -> None:
        connection = connect(self._path)
        version = -1
        while not self._ended.is_set():
            with contextlib.suppress(sqlite3.Error):  # busy just now; the next look follows at once
                (seen,) = connection.execute("PRAGMA data_version").fetchone()
                if seen != version:
                    self._tell(self._on_bounds, read_lanes(connection))
                    version = seen
            self._ended.wait(WATCH_S)
            self._wanted.wait()
        connection.close()


class Keeper(threading.Thread):
    """Copies the WAL into the file (passive checkpoints) and finds what retention lets go."""

    def __init__(
        self, path: Path, now_ms: Callable[[], int], retention: dict[LaneRow, int], put: Callable[[Job], None]
    ) -> None:
        super().__init__(name="eventlog-keeper", daemon=True)
        self._path = path
        self._now_ms = now_ms
        self._retention = retention
        self._put = put
        self._ended = threading.Event()

    def finish(self) -> None:
        self._ended.set()

    def run(self) -> None:
        connection = connect(self._path)
        wal = self._path.with_name(self._path.name + "-wal")
        rounds = 0
        while not self._ended.wait(KEEPER_S):
            with contextlib.suppress(sqlite3.Error, OSError):  # busy just now; the next round does it
                if rounds % RETENTION_EVERY == 0:
                    self._expire(connection)
                if wal.stat().st_size > CHECKPOINT_BYTES:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            rounds += 1
        connection.close()

    def _expire(self, connection: sqlite3.Connection) -> None:
        for lane, retention_ms in self._retention.items():
            before = expired_before(connection, lane, self._now_ms() - retention_ms)
            self._put(Trim(lane, before, None))


def settle(answer: asyncio.Future[Any], value: Any) -> None:
    """Give the answer unless nobody wants it any more."""
    if not answer.done():
        answer.set_result(value)


def fail(answer: asyncio.Future[Any], error: Exception) -> None:
    """Give the error unless nobody wants it any more."""
    if not answer.done():
        answer.set_exception(error)
