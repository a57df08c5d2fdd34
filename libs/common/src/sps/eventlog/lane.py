"""What one process knows of one partition: its bounds, its newest records, and who waits for more.

Lives on the event loop, so it needs no lock. Both adapters use it; offsets without holes are its invariant.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from sps.eventlog.port import LogRefused, NewRecord, Record
from sps.eventlog.topics import HEADERS_MAX, RECORD_BYTES_MAX, Topic

TAIL_RECORDS_MAX: Final = 512
TAIL_BYTES_MAX: Final = 2_000_000
"""Newest records kept in memory per partition; older ones are read from the file."""
APPEND_RECORDS_MAX: Final = 10_000
APPEND_BYTES_MAX: Final = 16_000_000
READ_RECORDS_MAX: Final = 10_000
READ_BYTES_MAX: Final = 8_000_000
"""A read gives at least one record and stops after the one that passes this."""
WAIT_MAX_S: Final = 60.0


def record_bytes(record: NewRecord | Record) -> int:
    """What counts against the limits: key, value and headers."""
    headers = sum(len(name.encode()) + len(value) for name, value in record.headers)
    return len(record.key) + len(record.value) + headers


def check_place(topics: dict[str, Topic], topic: str, partition: int) -> None:
    """Refuse a topic or a partition that is not in the table."""
    known = topics.get(topic)
    if known is None:
        raise LogRefused(f"unknown topic {topic!r}")
    if not 0 <= partition < known.partitions:
        raise LogRefused(f"{topic} has the partitions 0…{known.partitions - 1}, not {partition}")


def check_append(records: Sequence[NewRecord]) -> None:
    """Refuse what no retry could help: nothing at all, one record too large, too many at once."""
    if not 1 <= len(records) <= APPEND_RECORDS_MAX:
        raise LogRefused(f"one append holds 1…{APPEND_RECORDS_MAX} records, not {len(records)}")
    if any(len(record.headers) > HEADERS_MAX for record in records):
        raise LogRefused(f"a record has at most {HEADERS_MAX} headers")
    sizes = [record_bytes(record) for record in records]
    if max(sizes) > RECORD_BYTES_MAX:
        raise LogRefused(f"a record of {max(sizes)} bytes is beyond {RECORD_BYTES_MAX}")
    if sum(sizes) > APPEND_BYTES_MAX:
        raise LogRefused(f"an append of {sum(sizes)} bytes is beyond {APPEND_BYTES_MAX}")


def check_read(offset: int, limit: int, wait_s: float) -> None:
    """Refuse a read outside the bounds."""
    if offset < 0 or not 1 <= limit <= READ_RECORDS_MAX or not 0 <= wait_s <= WAIT_MAX_S:
        raise LogRefused(
            f"a read has offset ≥ 0, limit 1…{READ_RECORDS_MAX} and wait 0…{WAIT_MAX_S:g} s; "
            f"got {offset}, {limit}, {wait_s}"
        )


class Lane:
    """One partition as the process knows it; `next` may lag behind the file, never lead it."""

    def __init__(self, records_max: int = TAIL_RECORDS_MAX, bytes_max: int = TAIL_BYTES_MAX) -> None:
        self._records_max = records_max
        self._bytes_max = bytes_max
        self.start = 0
        self.next = 0
        self._tail: deque[Record] = deque()
        self._tail_bytes = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def appended(self, records: Sequence[Record]) -> None:
        """Take records that are durable; a hole (another process wrote between) starts the tail anew."""
        if self._tail and self._tail[-1].offset + 1 != records[0].offset:
            self._forget()
        self._tail.extend(records)
        self._tail_bytes += sum(map(record_bytes, records))
        while len(self._tail) > self._records_max or (
            self._tail_bytes > self._bytes_max and len(self._tail) > 1
        ):
            self._tail_bytes -= record_bytes(self._tail.popleft())
        self.seen(self.start, records[-1].offset + 1)

    def seen(self, start: int, next_offset: int) -> None:
        """Take bounds read from the file; bounds only grow, so late news changes nothing."""
        self.start = max(self.start, start)
        while self._tail and self._tail[0].offset < self.start:
            self._tail_bytes -= record_bytes(self._tail.popleft())
        if next_offset > self.next:
            self.next = next_offset
            self.wake()

    def newest(self, offset: int, limit: int) -> list[Record]:
        """Return the records from `offset` on when memory holds them, else nothing."""
        if not self._tail or not self._tail[0].offset <= offset <= self._tail[-1].offset:
            return []
        first = offset - self._tail[0].offset
        return [self._tail[place] for place in range(first, min(first + limit, len(self._tail)))]

    async def grows_beyond(self, offset: int, wait_s: float) -> bool:
        """Wait until a record at `offset` is known; False when the time is up or somebody woke all."""
        if self.next > offset:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(wait_s):
                await waiter
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return self.next > offset

    @property
    def waited_for(self) -> bool:
        """Somebody waits for more."""
        return bool(self._waiters)

    def wake(self) -> None:
        """Let everybody who waits look again (new records, or the log stops)."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _forget(self) -> None:
        self._tail.clear()
        self._tail_bytes = 0
