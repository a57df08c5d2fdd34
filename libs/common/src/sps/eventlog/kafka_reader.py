"""Reading one partition with offsets of one's own: what is new from memory, what is older by asking.

No groups, no commits. Who reaches the end follows (`kafka_follower`); who is behind gets pages on a
connection that all partitions share. An offset that was there and is no more is `OffsetGone`, whichever end
it fell off.
"""

import logging
from bisect import bisect_left
from typing import Final

from msgspec import Struct

from sps.eventlog.kafka_batches import read_page
from sps.eventlog.kafka_cluster import ANSWER_S, Cluster, ask_bounds
from sps.eventlog.kafka_follower import Follower, Place
from sps.eventlog.kafka_question import Fetched, ask_fetch
from sps.eventlog.kafka_requests import OK
from sps.eventlog.port import LogTrouble, OffsetGone, Record

SHORT_WAIT_S: Final = 0.05
"""A read that waits less asks the broker itself, since the follower may not have heard yet."""
PAGE_BYTES: Final = 1_048_576
"""As stored."""
PAGE_UNPACKED_BYTES: Final = 4_000_000
LOOKS_MAX: Final = 100
"""Pages without a record of ours that one read passes over before it returns with nothing."""

_log: Final = logging.getLogger("sps.eventlog")


class _Page(Struct, frozen=True):
    """Older records, fetched together and read one part after the other."""

    first: int
    following: int
    high: int
    records: list[Record]

    def part(self, offset: int, limit: int) -> list[Record]:
        place = bisect_left(self.records, offset, key=lambda record: record.offset)
        return self.records[place : place + limit]


class PartitionReader:
    """All readers of one partition in this handle."""

    def __init__(self, cluster: Cluster, place: Place) -> None:
        self._cluster: Final = cluster
        self._place: Final = place
        self._follower: Follower | None = None
        self._page: _Page | None = None
        self._highest = 0
        """The end as it was known to be."""
        self._shrunk_from = 0
        """The end before the log shrank; what was below it is gone, not yet to come."""
        self._warned = False
        self._stopped = False

    async def read(self, offset: int, limit: int, wait_s: float) -> list[Record]:
        """Raises `OffsetGone`, and `LogTrouble` when the broker is away."""
        records, high = await self._read(offset, limit, wait_s)
        following = records[-1].offset + 1 if records else offset
        self._place.metrics.lag(self._place.topic, self._place.partition, max(0, high - following))
        return records

    async def bounds(self) -> tuple[int, int]:
        """As the leader says now."""
        bounds = await ask_bounds(self._cluster, self._place.name, self._place.partition)
        self._highest = max(self._highest, bounds[1])
        return bounds

    async def stop(self) -> None:
        """Whoever waits gets `LogTrouble`."""
        self._stopped = True
        if self._follower is not None:
            await self._follower.stop()

    async def _read(self, offset: int, limit: int, wait_s: float) -> tuple[list[Record], int]:
        follower = self._following()
        if follower is not None:
            follower.wanted(offset)
            if records := follower.lane.newest(offset, limit):
                return records, follower.high
            self._still_there(follower)
            on_its_way = follower.high > offset
            if offset == follower.lane.next and (on_its_way or wait_s >= SHORT_WAIT_S):
                found = await self._wait(follower, offset, limit, max(wait_s, ANSWER_S * on_its_way))
                if found[0] or not on_its_way:
                    return found
        page, position = await self._look(offset)
        if page.records or wait_s == 0:
            return page.part(offset, limit), page.high
        follower = self._following() or self._follow(min(position, page.high), page.high)
        follower.wanted(position)
        return await self._wait(follower, position, limit, wait_s)

    async def _wait(
        self, follower: Follower, position: int, limit: int, wait_s: float
    ) -> tuple[list[Record], int]:
        grown = await follower.lane.grows_beyond(position, wait_s)
        self._still_there(follower)
        if not grown:
            return [], follower.high
        follower.wanted(position)
        if records := follower.lane.newest(position, limit):
            return records, follower.high
        page, _ = await self._look(position)
        return page.part(position, limit), page.high

    def _still_there(self, follower: Follower) -> None:
        """Silence is an answer only of a log that is there."""
        if self._stopped:
            raise LogTrouble("the event log stopped meanwhile")
        if follower.gone is not None:
            start, end = follower.gone
            if self._follower is follower:
                self._follower = None
                self._shrank(end)
            raise OffsetGone(start)
        if follower.trouble:
            raise LogTrouble(follower.trouble)
        follower.check()

    def _following(self) -> Follower | None:
        follower = self._follower
        if follower is None:
            return None
        self._highest = max(self._highest, follower.high, follower.lane.next)
        if follower.over and follower.gone is None:
            self._follower = None
            follower.check()
        return self._follower

    def _follow(self, offset: int, high: int) -> Follower:
        if self._stopped:
            raise LogTrouble("the event log stopped meanwhile")
        self._page = None
        self._follower = Follower(self._cluster, self._place, offset, high)
        return self._follower

    async def _look(self, offset: int) -> tuple[_Page, int]:
        """The page with `offset`, and where to read on behind what was passed over."""
        position = offset
        page = self._page
        if page is not None and page.first <= offset < page.following and page.part(offset, 1):
            return page, position
        for _ in range(LOOKS_MAX):
            page = await self._fetch(position)
            if page.records or page.following == position:
                break
            position = page.following
        self._page = page if page is not None and page.records else None
        return page or _Page(offset, offset, offset, []), position

    async def _fetch(self, offset: int) -> _Page:
        place = self._place
        request = ask_fetch(place.name, place.partition, offset, 0.0, PAGE_BYTES)
        answer: Fetched = await self._cluster.ask_leader(
            place.name, place.partition, request, lambda answer: answer.code
        )
        if answer.code != OK:
            return await self._out_of_range(offset)
        return self._page_of(answer, offset)

    def _page_of(self, answer: Fetched, offset: int) -> _Page:
        place = self._place
        page = read_page(place.topic, place.partition, answer.data, offset, PAGE_UNPACKED_BYTES)
        self._highest = max(self._highest, answer.high)
        if page.unreadable:
            place.metrics.unreadable(place.topic, page.unreadable)
            _log.error("%s: %d records from %d on are no records", place, page.unreadable, offset)
        return _Page(offset, page.following, answer.high, page.records)

    async def _out_of_range(self, offset: int) -> _Page:
        """Trimmed, shrunk, or a reader who is ahead of the log and waits."""
        start, end = await ask_bounds(self._cluster, self._place.name, self._place.partition)
        if offset < start:
            raise OffsetGone(start)
        if offset > end and end < self._highest and self._following() is None:
            self._shrank(end)
        if end < offset <= self._shrunk_from:
            raise OffsetGone(start)
        if offset > end and not self._warned:
            self._warned = True
            _log.warning("%s: a reader asks for %d, and the log ends at %d", self._place, offset, end)
        return _Page(offset, offset, end, [])

    def _shrank(self, end: int) -> None:
        """What a broker acknowledged is gone, or this is another log under the same name."""
        _log.error("%s: the log ended at %d and ends at %d now", self._place, self._highest, end)
        self._place.metrics.reset(self._place.topic)
        self._shrunk_from = max(self._shrunk_from, self._highest)
        self._highest, self._page = end, None
