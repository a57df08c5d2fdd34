"""What is new in one partition comes by itself into memory.

A follower keeps a question open at the partition's leader, on a connection of its own, until nobody has
asked for `IDLE_S`. It runs ahead of its readers by a bounded amount. A broker that is gone is not silence:
`trouble` says so once the leader has been unreachable for `LOST_S`, or a connected one silent for
`FETCH_WAIT_S` + `OVERDUE_S`, until it is back.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from sps.eventlog.kafka_batches import Page, read_page
from sps.eventlog.kafka_cluster import Cluster, Line, ask_bounds
from sps.eventlog.kafka_connection import Silent, kafka_error
from sps.eventlog.kafka_question import Fetched, ask_fetch
from sps.eventlog.kafka_requests import OFFSET_OUT_OF_RANGE, OK
from sps.eventlog.lane import Lane
from sps.eventlog.meter import LogMeter
from sps.eventlog.port import LogTrouble, Record

FETCH_WAIT_S: Final = 3.0
"""How long a broker keeps an open question without news; an idle partition costs one round trip in it."""
OVERDUE_S: Final = 2.0
LOST_S: Final = 3.0
IDLE_S: Final = 30.0
RETRY_FIRST_S: Final = 0.05
RETRY_LONGEST_S: Final = 1.0
FETCH_BYTES: Final = 524_288
"""As stored. A larger batch comes alone."""
AHEAD_BYTES: Final = 1_000_000
"""What the follower has and nobody has asked for; beyond it the follower waits for its readers."""
KEPT_RECORDS: Final = 8_192
KEPT_BYTES: Final = 3_000_000
"""In memory: what is ahead, one more answer, and a little for readers who are behind."""


class Place:
    """A partition: our name for it, the cluster's name for it, and who counts."""

    def __init__(self, topic: str, name: str, partition: int, metrics: LogMeter) -> None:
        self.topic: Final = topic
        self.name: Final = name
        self.partition: Final = partition
        self.metrics: Final = metrics

    def __str__(self) -> str:
        """For messages."""
        return f"{self.name}/{self.partition}"


class Follower:
    """Begins at once, at `offset`; is never begun twice. `stop` it, or leave it alone until it is `over`."""

    def __init__(self, cluster: Cluster, place: Place, offset: int, high: int) -> None:
        self._cluster: Final = cluster
        self._place: Final = place
        self._line: Final = Line(cluster, place.name, place.partition)
        self.lane: Final = Lane(KEPT_RECORDS, KEPT_BYTES)
        self.lane.seen(0, offset)
        self.high = high
        """The next offset to be written, as the broker said last."""
        self.trouble = ""
        """Why a reader should not take silence for the end."""
        self.gone: tuple[int, int] | None = None
        """The bounds now, when the partition lost what was read, or is another one."""
        self._identity: tuple[int, int] | None = None
        self._failures = 0
        self._lost_s = 0.0
        self._wanted = offset
        self._wanted_s = asyncio.get_running_loop().time()
        self._asked: Final = asyncio.Event()
        self._pages: Final[deque[Page]] = deque()
        self._task: Final = asyncio.get_running_loop().create_task(self._run())

    @property
    def over(self) -> bool:
        """It follows no more, because nobody asked or because the log shrank."""
        return self._task.done()

    def check(self) -> None:
        """Raise the defect that ended it, if one did."""
        if self._task.done() and not self._task.cancelled() and (defect := self._task.exception()):
            raise defect

    def wanted(self, offset: int) -> None:
        """A reader asks for `offset`."""
        self._wanted_s = asyncio.get_running_loop().time()
        if offset > self._wanted:
            self._wanted = offset
            self._asked.set()

    async def stop(self) -> None:
        """Whoever waits is woken."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self.gone is None and not self._idle():
                await self._room()
                try:
                    await self._fetch()
                except LogTrouble as error:
                    await self._lost(error)
        finally:
            self._line.cut()
            self._recovered()
            self.lane.wake()

    def _idle(self) -> bool:
        quiet_s = asyncio.get_running_loop().time() - self._wanted_s
        return quiet_s > IDLE_S and not self.lane.waited_for

    async def _room(self) -> None:
        """Wait until the readers are near enough."""
        while self._ahead() > AHEAD_BYTES and not self._idle():
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S):
                    await self._asked.wait()

    def _ahead(self) -> int:
        while self._pages and self._pages[0].following <= self._wanted:
            self._pages.popleft()
        return sum(page.size for page in self._pages)

    async def _fetch(self) -> None:
        """One question, kept open by the broker until there is news."""
        place, position = self._place, self.lane.next
        link = await self._line.ready()
        if await self._is_another():
            return
        wait_s = 0.0 if self._failures else FETCH_WAIT_S  # after trouble: is it over?
        request = ask_fetch(place.name, place.partition, position, wait_s, FETCH_BYTES)
        answer: Fetched = await link.ask(request, FETCH_WAIT_S + OVERDUE_S)
        if answer.code == OFFSET_OUT_OF_RANGE:
            await self._out_of_range(position)
            return
        if answer.code != OK:
            raise LogTrouble(f"the leader of {place} says {kafka_error(answer.code)}")
        page = read_page(place.topic, place.partition, answer.data, position, KEPT_BYTES)
        if answer.data and page.following == position:
            raise LogTrouble(f"the leader of {place} answers with what was not asked")
        self._recovered()
        self._take(page, answer)
        await asyncio.sleep(0)  # first those who wait, then the next question

    def _take(self, page: Page, answer: Fetched) -> None:
        self.high = answer.high
        if page.unreadable:
            self._place.metrics.unreadable(self._place.topic, page.unreadable)
        if page.records:
            self._pages.append(page)
            for run in _runs(page.records):
                self.lane.appended(run)
        self.lane.seen(answer.start, page.following)

    async def _out_of_range(self, position: int) -> None:
        """Trimmed behind our back: go on at the start. Beyond the end: the log shrank."""
        start, end = await ask_bounds(self._cluster, self._place.name, self._place.partition)
        if position > end:
            self.gone = (start, end)
        elif position < start:
            self.lane.seen(start, start)

    async def _is_another(self) -> bool:
        """Tell whether the topic was deleted and made anew."""
        identity = self._cluster.identity(self._place.name)
        if self._identity is None:
            self._identity = identity
        if identity is None or identity == self._identity:
            return False
        self.gone = await ask_bounds(self._cluster, self._place.name, self._place.partition)
        return True

    async def _lost(self, error: LogTrouble) -> None:
        """Pause and try again; say so once it is more than a moment."""
        now_s = asyncio.get_running_loop().time()
        self._lost_s = self._lost_s or now_s
        self._failures += 1
        self._line.cut()
        self._cluster.stale()
        if self.trouble or isinstance(error, Silent) or now_s - self._lost_s >= LOST_S:
            self.trouble = f"{self._place}: {error}"
            self._place.metrics.unreachable(self._place.topic, self._place.partition, lost=True)
            self.lane.wake()
        await asyncio.sleep(min(RETRY_LONGEST_S, RETRY_FIRST_S * 2 ** min(self._failures, 10)))

    def _recovered(self) -> None:
        if self.trouble:
            self._place.metrics.unreachable(self._place.topic, self._place.partition, lost=False)
        self.trouble, self._lost_s, self._failures = "", 0.0, 0


def _runs(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Parts without holes."""
    for _, run in groupby(enumerate(records), lambda placed: placed[1].offset - placed[0]):
        yield [record for _, record in run]
