"""The event log in memory: a fake that passes the whole conformance suite; handles share one `MemoryStore`.

For tests and simulations. What it keeps lives as long as the store object, so a stopped and restarted
handle finds everything, as with a file.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from sps.eventlog.lane import READ_BYTES_MAX, Lane, check_append, check_place, check_read, record_bytes
from sps.eventlog.port import LogTrouble, NewRecord, OffsetGone, Record
from sps.eventlog.topics import TOPICS, Topic

MS_PER_NS: Final = 1_000_000


def wall_clock_ms() -> int:
    """Milliseconds since 1970, UTC: the append time of records, advisory only."""
    return time.time_ns() // MS_PER_NS


class MemoryStore:
    """What the handles share: all records of all partitions."""

    def __init__(self, topics: dict[str, Topic] | None = None) -> None:
        self.topics = TOPICS if topics is None else topics
        places = [
            (topic.name, number) for topic in self.topics.values() for number in range(topic.partitions)
        ]
        self.records: dict[tuple[str, int], list[Record]] = {place: [] for place in places}
        self.lanes: dict[tuple[str, int], Lane] = {place: Lane() for place in places}


class MemoryLog:
    """One handle on a store; use it from one event loop."""

    def __init__(
        self, store: MemoryStore | None = None, *, now_ms: Callable[[], int] = wall_clock_ms
    ) -> None:
        self._store = MemoryStore() if store is None else store
        self._now_ms = now_ms
        self._running = False

    async def start(self) -> None:
        self._running = True

    async def stop(self) -> None:
        self._running = False
        for lane in self._store.lanes.values():
            lane.wake()

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        kept, lane = self._place(topic, partition)
        check_append(records)
        now_ms = self._now_ms()
        first = lane.next
        written = [
            Record(topic, partition, first + index, new.key, new.value, now_ms, new.headers)
            for index, new in enumerate(records)
        ]
        kept.extend(written)
        lane.appended(written)
        await asyncio.sleep(0)
        return first

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 500, wait_s: float = 0.0
    ) -> list[Record]:
        kept, lane = self._place(topic, partition)
        check_read(offset, limit, wait_s)
        if offset < lane.start:
            raise OffsetGone(lane.start)
        if offset >= lane.next and wait_s > 0:
            await lane.grows_beyond(offset, wait_s)
            self._place(topic, partition)
        await asyncio.sleep(0)
        return _bounded(kept[max(0, offset - lane.start) :][:limit])

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        lane = self._place(topic, partition)[1]
        return lane.start, lane.next

    async def trim(self, topic: str, partition: int, before: int) -> int:
        """Forget the records below `before`; returns the oldest offset kept."""
        kept, lane = self._place(topic, partition)
        start = max(lane.start, min(before, lane.next))
        del kept[: start - lane.start]
        lane.seen(start, lane.next)
        return start

    def _place(self, topic: str, partition: int) -> tuple[list[Record], Lane]:
        if not self._running:
            raise LogTrouble("the log is not running")
        check_place(self._store.topics, topic, partition)
        return self._store.records[topic, partition], self._store.lanes[topic, partition]


def _bounded(records: list[Record]) -> list[Record]:
    total = 0
    for index, record in enumerate(records):
        total += record_bytes(record)
        if total > READ_BYTES_MAX:
            return records[: index + 1]
    return records
