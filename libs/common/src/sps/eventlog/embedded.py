"""The event log of the embedded system: one SQLite file, any number of processes, a hop below a millisecond.

An append is durable (fsync) and visible when it returns. Readers in the same process are woken by the
commit itself and served from memory; readers in other processes see it within `WATCH_S`.
Every await has a deadline; when an append passes it, the outcome is unknown (`LogTrouble`).
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from sps.eventlog.embedded_file import LaneRow, connect, declare, read_bounds, read_slice
from sps.eventlog.embedded_threads import (
    Append,
    Committed,
    Keeper,
    Reader,
    Trim,
    Watcher,
    Writer,
    fail,
    settle,
)
from sps.eventlog.lane import Lane, check_append, check_place, check_read
from sps.eventlog.memory import wall_clock_ms
from sps.eventlog.port import LogTrouble, NewRecord, OffsetGone, Record
from sps.eventlog.topics import TOPICS, Topic

DEADLINE_S: Final = 10.0
STOP_S: Final = 5.0
WAITING_APPENDS_MAX: Final = 10_000
SHORT_WAIT_S: Final = 0.05
"""A wait below this always looks into the file first, since the watcher may not have looked yet."""


T = TypeVar("T")


class EmbeddedLog:
    """One handle on the file, for one event loop; a process may have several."""

    def __init__(
        self,
        path: Path,
        *,
        topics: dict[str, Topic] | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._path = path
        self._topics = TOPICS if topics is None else topics
        self._now_ms = now_ms
        self._deadline_s = deadline_s
        self._rows: dict[tuple[str, int], LaneRow] = {}
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._waiting_appends = 0
        self._waiting_reads = 0
        self._running = False

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            async with asyncio.timeout(self._deadline_s):
                rows = await asyncio.to_thread(_open, self._path, self._topics)
        except (sqlite3.Error, TimeoutError) as error:
            raise LogTrouble(f"the event log file {self._path.name} cannot be opened: {error}") from error
        self._rows = {(row.topic, row.partition): row for row in rows}
        self._lanes = {place: Lane() for place in self._rows}
        self._on_bounds(rows)
        self._start_threads(loop, rows)
        self._running = True

    def _start_threads(self, loop: asyncio.AbstractEventLoop, rows: list[LaneRow]) -> None:
        def tell(function: Callable[..., None], *arguments: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                loop.call_soon_threadsafe(function, *arguments)

        retention = {
            row: retention_ms
            for row in rows
            if (retention_ms := self._topics[row.topic].retention_ms) is not None
        }
        self._writer = Writer(self._path, self._now_ms, tell, self._on_commit)
        self._reader = Reader(self._path, tell)
        self._watcher = Watcher(self._path, tell, self._on_bounds)
        self._keeper = Keeper(self._path, self._now_ms, retention, self._writer.put)
        for thread in (self._writer, self._reader, self._watcher, self._keeper):
            thread.start()

    async def stop(self) -> None:
        if not self._running:
            return
        self._running = False
        threads = (self._keeper, self._watcher, self._writer, self._reader)
        for thread in threads:
            thread.finish()
        for lane in self._lanes.values():
            lane.wake()
        await asyncio.to_thread(_join, threads)

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        row = self._row(topic, partition)
        check_append(records)
        if self._waiting_appends >= WAITING_APPENDS_MAX:
            raise LogTrouble(f"{WAITING_APPENDS_MAX} appends are waiting for the disk already")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting_appends += 1
        try:
            self._writer.put(Append(row, tuple(records), done))
            return await self._in_time(done, "append")
        finally:
            self._waiting_appends -= 1

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 500, wait_s: float = 0.0
    ) -> list[Record]:
        row = self._row(topic, partition)
        check_read(offset, limit, wait_s)
        lane = self._lanes[topic, partition]
        if offset < lane.start:
            raise OffsetGone(lane.start)
        at_the_end = offset == lane.next and wait_s >= SHORT_WAIT_S
        records = [] if at_the_end else await self._read_now(row, lane, offset, limit)
        if records or wait_s == 0:
            return records
        self._wait_starts()
        try:
            grown = await lane.grows_beyond(offset, wait_s)
        finally:
            self._wait_ends()
        return await self._read_now(row, lane, offset, limit) if grown else []

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        row = self._row(topic, partition)
        bounds = await self._ask("bounds", lambda connection: read_bounds(connection, row))
        self._lanes[topic, partition].seen(*bounds)
        return bounds

    async def trim(self, topic: str, partition: int, before: int) -> int:
        """Forget the records below `before`, one bounded step after the other; returns the oldest kept."""
        row = self._row(topic, partition)
        while True:
            done: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
            self._writer.put(Trim(row, before, done))
            start, following = await self._in_time(done, "trim")
            if start >= min(before, following):
                return start

    async def _read_now(self, row: LaneRow, lane: Lane, offset: int, limit: int) -> list[Record]:
        if records := lane.newest(offset, limit):
            return records
        found = await self._ask("read", lambda connection: read_slice(connection, row, offset, limit))
        lane.seen(found.start, found.next)
        return found.records

    async def _ask(self, what: str, query: Callable[[sqlite3.Connection], T]) -> T:
        if not self._running:
            raise LogTrouble("the event log stopped meanwhile")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._reader.ask(query, answer)
        return await self._in_time(answer, what)

    async def _in_time(self, answer: asyncio.Future[T], what: str) -> T:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await answer
        except TimeoutError as error:
            raise LogTrouble(
                f"the event log gave no answer to {what} within {self._deadline_s:g} s"
            ) from error

    def _row(self, topic: str, partition: int) -> LaneRow:
        if not self._running:
            raise LogTrouble("the event log is not running")
        check_place(self._topics, topic, partition)
        return self._rows[topic, partition]

    def _wait_starts(self) -> None:
        self._waiting_reads += 1
        self._watcher.want(True)

    def _wait_ends(self) -> None:
        self._waiting_reads -= 1
        self._watcher.want(self._waiting_reads > 0)

    def _on_commit(self, committed: Committed) -> None:
        for append, records in committed.appends:
            if committed.trouble is not None:
                fail(append.done, LogTrouble(committed.trouble))
                continue
            self._lanes[append.lane.topic, append.lane.partition].appended(records)
            settle(append.done, records[0].offset)
        for trim, bounds in committed.trims:
            if committed.trouble is None:
                self._lanes[trim.lane.topic, trim.lane.partition].seen(*bounds)
            if trim.done is not None and committed.trouble is not None:
                fail(trim.done, LogTrouble(committed.trouble))
            elif trim.done is not None:
                settle(trim.done, bounds)

    def _on_bounds(self, rows: list[LaneRow]) -> None:
        for row in rows:
            self._lanes[row.topic, row.partition].seen(row.start, row.next)


def _open(path: Path, topics: dict[str, Topic]) -> list[LaneRow]:
    connection = connect(path)
    try:
        return declare(connection, topics)
    finally:
        connection.close()


def _join(threads: Sequence[Writer | Reader | Watcher | Keeper]) -> None:
    """Wait for the threads within the bound; they are daemons, so a hung disk cannot hold the process."""
    for thread in threads:
        thread.join(STOP_S / len(threads))
