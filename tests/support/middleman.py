"""Event logs that lie or fail: between a reader and the real log stands somebody with full rights."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from sps.eventlog.port import EventLog, LogTrouble, NewRecord, OffsetGone, Record
from sps.eventlog.topics import TOPICS

LOOK_S: Final = 0.1
"""A record that is shown in another lane than its own is seen there after this at the latest."""
HELD_MAX: Final = 40
"""Records that are held back before some are shown."""

Lane = tuple[str, int]
Mischief = Callable[["Middleman", Lane, list[Record]], None]
"""Takes what the real log brought for a lane and shows what it likes: `show`, in lanes of its choice."""


class Middleman:
    """Shows one reader a log of its own, made of the real one's records. What is appended passes through.

    When `mischief` is None again everything new is shown as it is; what was kept back stays lost.
    """

    def __init__(self, log: EventLog, mischief: Mischief | None = None, seed: int = 0) -> None:
        self.log = log
        self.mischief = mischief
        self.chance = random.Random(seed)
        self.held: dict[Lane, list[Record]] = defaultdict(list)
        self._shown: dict[Lane, list[Record]] = defaultdict(list)
        self._pulled: dict[Lane, int] = defaultdict(int)

    async def start(self) -> None:
        """The real log is started by whoever made it."""

    async def stop(self) -> None:
        """And stopped."""

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        return await self.log.append(topic, partition, records)

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 500, wait_s: float = 0.0
    ) -> list[Record]:
        lane = topic, partition
        shown = self._shown[lane]
        end = asyncio.get_running_loop().time() + wait_s
        while True:
            left_s = end - asyncio.get_running_loop().time()
            await self._pull(lane, wait_s=max(0.0, min(LOOK_S, left_s)))
            if len(shown) > offset or left_s <= 0:
                return shown[offset : offset + limit]

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        await self._pull((topic, partition), wait_s=0.0)
        return 0, len(self._shown[topic, partition])

    def show(self, lane: Lane, record: Record, **changes: object) -> None:
        """Put a record, bent or not, at the end of what the reader sees of a lane."""
        shown = self._shown[lane]
        place = {"topic": lane[0], "partition": lane[1], "offset": len(shown)}
        shown.append(msgspec.structs.replace(record, **(changes | place)))

    async def _pull(self, lane: Lane, wait_s: float) -> None:
        try:
            records = await self.log.read(*lane, self._pulled[lane], wait_s=wait_s)
        except OffsetGone as gone:
            self._pulled[lane] = gone.start
            return
        if not records or records[0].offset < self._pulled[lane]:
            return  # another reader of this lane was quicker
        self._pulled[lane] = records[-1].offset + 1
        if self.mischief is not None:
            self.mischief(self, lane, records)
            return
        for record in records:
            self.show(lane, record)


def delays_and_reorders(man: Middleman, lane: Lane, records: list[Record]) -> None:
    """Holds back and then shows in any order."""
    held = man.held[lane]
    held += records
    man.chance.shuffle(held)
    for _ in range(man.chance.randint(0, len(held)) if len(held) < HELD_MAX else len(held)):
        man.show(lane, held.pop())


def drops(man: Middleman, lane: Lane, records: list[Record]) -> None:
    """Swallows every third record for ever."""
    for record in records:
        if man.chance.random() > 1 / 3:
            man.show(lane, record)


def cuts(man: Middleman, lane: Lane, records: list[Record]) -> None:
    """Shows every second record only to its half."""
    for record in records:
        cut = man.chance.random() < 1 / 2
        man.show(lane, record, value=record.value[: len(record.value) // 2] if cut else record.value)


def flips_bits(man: Middleman, lane: Lane, records: list[Record]) -> None:
    """Changes one bit of every second record; sometimes the true one follows."""
    for record in records:
        if not record.value or man.chance.random() < 1 / 2:
            man.show(lane, record)
            continue
        value = bytearray(record.value)
        value[man.chance.randrange(len(value))] ^= 1 << man.chance.randrange(8)
        man.show(lane, record, value=bytes(value))
        if man.chance.random() < 1 / 2:
            man.show(lane, record)


def moves(man: Middleman, lane: Lane, records: list[Record]) -> None:
    """Shows records in other partitions and topics, under other keys and times."""
    for record in records:
        place = man.chance.choice(_LANES) if man.chance.random() < 1 / 2 else lane
        man.show(place, record, key=man.chance.randbytes(8), time_ms=man.chance.randrange(2**40))


_LANES: Final = [(topic.name, number) for topic in TOPICS.values() for number in range(topic.partitions)]


class FailingLog:
    """The real log, with topics that answer nothing for a while."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.away: set[str] = set()
        """Topics that can be neither read nor written."""

    async def start(self) -> None:
        """The real log is started by whoever made it."""

    async def stop(self) -> None:
        """And stopped."""

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        self._check(topic)
        return await self.log.append(topic, partition, records)

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 500, wait_s: float = 0.0
    ) -> list[Record]:
        self._check(topic)
        records = await self.log.read(topic, partition, offset, limit=limit, wait_s=min(wait_s, 0.05))
        self._check(topic)
        return records

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        self._check(topic)
        return await self.log.bounds(topic, partition)

    def _check(self, topic: str) -> None:
        if topic in self.away:
            raise LogTrouble(f"{topic} does not answer")
