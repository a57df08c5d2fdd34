"""What every event log adapter must do: one suite for the fake, the file and the broker.

Each case is an async function of an `Opener`; a test runs all `CASES` against its adapter, each on an
empty log. Raises `NonConforming` with the broken rule. Durability against kill -9 needs a process and
is tested beside the adapter.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from sps.eventlog.memory import wall_clock_ms
from sps.eventlog.port import EventLog, LogRefused, LogTrouble, NewRecord, OffsetGone
from sps.eventlog.topics import BLOCKS, CONSENSUS, HEADERS_MAX, RECORD_BYTES_MAX, TRANSACTIONS

WRITERS: Final = 8
APPENDS_EACH: Final = 25
PATIENCE_S: Final = 20.0
"""On a machine that is busy with everything else; what works needs milliseconds."""
GRACE_S: Final = 0.05
KEPT: Final = 10
TRIMMED: Final = 4
LARGE_PARTS: Final = 3
LARGE_PART_BYTES: Final = 900_000
CLOCKS_APART_MS: Final = 60_000


class NonConforming(AssertionError):
    """The adapter breaks a rule of the port."""


class TrimmableLog(EventLog, Protocol):
    """What the suite needs besides the port: a way to make old records go away."""

    async def trim(self, topic: str, partition: int, before: int) -> int:
        """Forget the records below `before`; returns the oldest kept."""


class Opener(Protocol):
    """Opens one more handle on the same storage (not started)."""

    def __call__(self) -> TrimmableLog: ...


Case = Callable[[Opener], Awaitable[None]]


def expect(holds: bool, rule: str) -> None:
    if not holds:
        raise NonConforming(rule)


def new(text: str) -> NewRecord:
    return NewRecord(b"key", text.encode())


async def opened(opener: Opener) -> TrimmableLog:
    log = opener()
    await log.start()
    return log


async def values(log: EventLog, topic: str, partition: int) -> list[str]:
    """Everything that is kept, read in pages."""
    offset, end = await log.bounds(topic, partition)
    found: list[str] = []
    while offset < end:
        page = await log.read(topic, partition, offset, limit=100)
        expect(bool(page), "a read below the end gives at least one record")
        expect([record.offset for record in page] == list(range(offset, offset + len(page))), "no holes")
        found += [record.value.decode() for record in page]
        offset += len(page)
    return found


async def records_come_back_whole_and_in_order(opener: Opener) -> None:
    log = await opened(opener)
    headers = (("traceparent", b"00-1"), ("sps-producer", b""))
    first = await log.append(BLOCKS, 0, [NewRecord(b"k", b"\x00\xff", headers), NewRecord(b"", b"")])
    second = await log.append(BLOCKS, 0, [new("c")])
    expect((first, second) == (0, 2), "offsets start at 0 and are contiguous")
    records = await log.read(BLOCKS, 0, 0)
    expect(
        [record.value for record in records] == [b"\x00\xff", b"", b"c"],
        "order per partition is append order",
    )
    expect(records[0].key == b"k" and records[0].headers == headers, "key and headers are kept")
    expect((records[0].topic, records[0].partition) == (BLOCKS, 0), "a record knows its place")
    expect(await log.bounds(BLOCKS, 0) == (0, 3), "bounds are the oldest and the next offset")
    await log.stop()


async def partitions_and_topics_are_apart(opener: Opener) -> None:
    log = await opened(opener)
    for number in range(12):
        await log.append(TRANSACTIONS, number, [new(str(number))])
    await log.append(CONSENSUS, 0, [new("vote")])
    for number in range(12):
        expect(
            await values(log, TRANSACTIONS, number) == [str(number)], "a partition holds its own records only"
        )
    expect(await values(log, CONSENSUS, 0) == ["vote"], "a topic holds its own records only")
    await log.stop()


async def a_read_is_bounded_by_its_limit(opener: Opener) -> None:
    log = await opened(opener)
    await log.append(BLOCKS, 0, [new(str(number)) for number in range(20)])
    records = await log.read(BLOCKS, 0, 5, limit=3)
    expect(
        [record.offset for record in records] == [5, 6, 7],
        "a read starts at its offset and ends at its limit",
    )
    expect(await log.read(BLOCKS, 0, 20) == [], "a read at the end gives nothing at once")
    await log.stop()


async def many_writers_lose_nothing(opener: Opener) -> None:
    logs = [await opened(opener) for _ in range(2)]

    async def write(writer: int) -> list[int]:
        log = logs[writer % len(logs)]
        return [
            await log.append(BLOCKS, 0, [new(f"{writer}:{number}:{part}") for part in range(2)])
            for number in range(APPENDS_EACH)
        ]

    offsets = await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    found = await values(logs[0], BLOCKS, 0)
    expect(len(found) == WRITERS * APPENDS_EACH * 2, "concurrent appends lose and repeat nothing")
    for writer, firsts in enumerate(offsets):
        expect(firsts == sorted(firsts), "the appends of one writer keep their order")
        for number, first in enumerate(firsts):
            wanted = [f"{writer}:{number}:0", f"{writer}:{number}:1"]
            expect(
                found[first : first + 2] == wanted, "the records of one append stand together at its offset"
            )
    for log in logs:
        await log.stop()


async def an_append_is_all_or_nothing(opener: Opener) -> None:
    log = await opened(opener)
    too_large = NewRecord(b"", bytes(RECORD_BYTES_MAX + 1))
    await _refused(log.append(BLOCKS, 0, [new("a"), too_large]), "a record beyond the limit")
    await _refused(log.append(BLOCKS, 0, []), "an append of nothing")
    headers = tuple((f"h{number}", b"") for number in range(HEADERS_MAX + 1))
    await _refused(log.append(BLOCKS, 0, [NewRecord(b"", b"", headers)]), "a record with too many headers")
    expect(await log.bounds(BLOCKS, 0) == (0, 0), "a refused append leaves nothing")
    largest = _noise(RECORD_BYTES_MAX)
    await log.append(BLOCKS, 0, [NewRecord(b"", largest)])
    expect(await log.bounds(BLOCKS, 0) == (0, 1), "a record of exactly the limit is taken")
    records = await log.read(BLOCKS, 0, 0)
    expect([record.value for record in records] == [largest], "the largest record comes back whole")
    await log.stop()


async def a_large_append_keeps_its_order(opener: Opener) -> None:
    log = await opened(opener)
    parts = [_noise(LARGE_PART_BYTES) for _ in range(LARGE_PARTS)]
    sending = asyncio.create_task(log.append(BLOCKS, 0, [NewRecord(b"", part) for part in parts]))
    await asyncio.sleep(0)
    after = await log.append(BLOCKS, 0, [new("after")])
    expect((await sending, after) == (0, LARGE_PARTS), "an append beyond one batch stays together here")
    offset = 0
    found: list[bytes] = []
    while offset <= LARGE_PARTS:
        records = await log.read(BLOCKS, 0, offset)
        found += [record.value for record in records]
        offset += len(records)
    expect(found == [*parts, b"after"], "a large append keeps its order")
    await log.stop()


async def appends_stand_in_the_order_of_their_calls(opener: Opener) -> None:
    log = await opened(opener)
    calls = [asyncio.create_task(log.append(BLOCKS, 0, [new(str(number))])) for number in range(APPENDS_EACH)]
    offsets = await asyncio.gather(*calls)
    expect(offsets == list(range(APPENDS_EACH)), "appends that do not wait for each other keep their order")
    expect(
        await values(log, BLOCKS, 0) == [str(number) for number in range(APPENDS_EACH)], "and so do records"
    )
    await log.stop()


async def what_was_acknowledged_can_be_read_at_once(opener: Opener) -> None:
    log, other = await opened(opener), await opened(opener)
    waiting = asyncio.create_task(other.read(BLOCKS, 0, 0, wait_s=PATIENCE_S))
    for number in range(KEPT):
        offset = await log.append(BLOCKS, 0, [new(str(number))])
        for handle in (log, other):
            records = await handle.read(BLOCKS, 0, offset)
            expect(len(records) == 1, "every handle reads at once what was acknowledged")
            expect(abs(records[0].time_ms - wall_clock_ms()) < CLOCKS_APART_MS, "a record has its time")
    await waiting
    await log.stop()
    await other.stop()


async def who_gives_up_hurts_nobody(opener: Opener) -> None:
    log = await opened(opener)
    for _ in range(KEPT):
        leaving = [
            asyncio.create_task(log.read(BLOCKS, 0, 10**6, wait_s=PATIENCE_S)),
            asyncio.create_task(log.append(BLOCKS, 0, [new("given up")])),
            asyncio.create_task(log.bounds(BLOCKS, 0)),
        ]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
    await log.append(BLOCKS, 0, [new("last")])
    found = await values(log, BLOCKS, 0)
    expect(found[-1] == "last" and set(found) <= {"given up", "last"}, "a cancelled call harms no other")
    await log.stop()


def _noise(size: int) -> bytes:
    """What no compression makes smaller."""
    return random.Random(size).randbytes(size)  # noqa: S311 no secret


async def unknown_places_are_refused(opener: Opener) -> None:
    log = await opened(opener)
    await _refused(log.append("sps.unknown.v1", 0, [new("a")]), "append to an unknown topic")
    await _refused(log.append(BLOCKS, 1, [new("a")]), "append to a partition out of range")
    await _refused(log.read(TRANSACTIONS, 12, 0), "read of a partition out of range")
    await _refused(log.read(BLOCKS, -1, 0), "read of a negative partition")
    await _refused(log.read(BLOCKS, 0, -1), "read at a negative offset")
    await _refused(log.bounds("sps.unknown.v1", 0), "bounds of an unknown topic")
    await log.stop()


async def _refused(asked: Awaitable[object], what: str) -> None:
    try:
        await asked
    except LogRefused:
        return
    raise NonConforming(f"{what} is refused")


async def a_waiting_reader_is_woken(opener: Opener) -> None:
    log, other = await opened(opener), await opened(opener)
    for writer in (log, other):
        end = (await log.bounds(BLOCKS, 0))[1]
        reading = asyncio.create_task(log.read(BLOCKS, 0, end, wait_s=PATIENCE_S))
        await asyncio.sleep(GRACE_S)
        expect(not reading.done(), "a reader at the end waits")
        await writer.append(BLOCKS, 0, [new("news")])
        async with asyncio.timeout(PATIENCE_S / 2):
            records = await reading
        expect([record.value for record in records] == [b"news"], "a waiting reader gets what is appended")
    await log.stop()
    await other.stop()


async def a_wait_ends_in_time(opener: Opener) -> None:
    log = await opened(opener)
    async with asyncio.timeout(PATIENCE_S):
        expect(await log.read(BLOCKS, 0, 0, wait_s=GRACE_S) == [], "a wait without news gives nothing")
        expect(await log.read(BLOCKS, 0, 7, wait_s=GRACE_S) == [], "a read beyond the end waits likewise")
    await log.stop()


async def many_readers_see_the_same(opener: Opener) -> None:
    log = await opened(opener)

    async def follow() -> list[int]:
        offsets: list[int] = []
        while len(offsets) < APPENDS_EACH:
            records = await log.read(BLOCKS, 0, len(offsets), wait_s=PATIENCE_S)
            offsets += [record.offset for record in records]
        return offsets

    readers = [asyncio.create_task(follow()) for _ in range(WRITERS)]
    for number in range(APPENDS_EACH):
        await log.append(BLOCKS, 0, [new(str(number))])
    async with asyncio.timeout(PATIENCE_S):
        followed = await asyncio.gather(*readers)
    expect(
        all(offsets == list(range(APPENDS_EACH)) for offsets in followed), "each reader sees each record once"
    )
    await log.stop()


async def duplicates_are_kept(opener: Opener) -> None:
    log = await opened(opener)
    await log.append(BLOCKS, 0, [new("same")])
    await log.append(BLOCKS, 0, [new("same")])
    expect(await values(log, BLOCKS, 0) == ["same", "same"], "the log does not deduplicate: readers do")
    await log.stop()


async def trimmed_offsets_are_gone(opener: Opener) -> None:
    log, other = await opened(opener), await opened(opener)
    await log.append(BLOCKS, 0, [new(str(number)) for number in range(KEPT)])
    expect(await log.trim(BLOCKS, 0, TRIMMED) == TRIMMED, "trim says what is the oldest offset now")
    for handle in (log, other):
        expect(await handle.bounds(BLOCKS, 0) == (TRIMMED, KEPT), "the bounds follow the trim")
        for offset in (0, TRIMMED - 1):
            try:
                await handle.read(BLOCKS, 0, offset)
            except OffsetGone as gone:
                expect(gone.start == TRIMMED, "OffsetGone names the oldest offset kept")
            else:
                raise NonConforming("a read below the start raises OffsetGone")
    expect(await values(log, BLOCKS, 0) == [str(number) for number in range(TRIMMED, KEPT)], "the rest stays")
    expect(await log.trim(BLOCKS, 0, 99) == KEPT, "a trim beyond the end empties the partition")
    expect(await log.append(BLOCKS, 0, [new("next")]) == KEPT, "offsets go on after a trim")
    await log.stop()
    await other.stop()


async def a_restart_keeps_everything(opener: Opener) -> None:
    log = await opened(opener)
    letters = ["a", "b"]
    await log.append(TRANSACTIONS, 3, [new(letter) for letter in letters])
    await log.stop()
    again = await opened(opener)
    expect(await values(again, TRANSACTIONS, 3) == letters, "a restart keeps what was acknowledged")
    expect(await again.append(TRANSACTIONS, 3, [new("c")]) == len(letters), "offsets go on after a restart")
    await again.stop()


async def a_stopped_log_says_so(opener: Opener) -> None:
    log = await opened(opener)
    reading = asyncio.create_task(log.read(BLOCKS, 0, 0, wait_s=PATIENCE_S))
    await asyncio.sleep(GRACE_S)
    async with asyncio.timeout(PATIENCE_S):
        await log.stop()
        await asyncio.gather(reading, return_exceptions=True)
        await log.stop()
    for asked in (log.append(BLOCKS, 0, [new("a")]), log.read(BLOCKS, 0, 0), log.bounds(BLOCKS, 0)):
        try:
            await asked
        except LogTrouble:
            continue
        raise NonConforming("a log that does not run raises LogTrouble")


CASES: Final[tuple[Case, ...]] = (
    records_come_back_whole_and_in_order,
    partitions_and_topics_are_apart,
    a_read_is_bounded_by_its_limit,
    many_writers_lose_nothing,
    an_append_is_all_or_nothing,
    a_large_append_keeps_its_order,
    appends_stand_in_the_order_of_their_calls,
    what_was_acknowledged_can_be_read_at_once,
    who_gives_up_hurts_nobody,
    unknown_places_are_refused,
    a_waiting_reader_is_woken,
    a_wait_ends_in_time,
    many_readers_see_the_same,
    duplicates_are_kept,
    trimmed_offsets_are_gone,
    a_restart_keeps_everything,
    a_stopped_log_says_so,
)
