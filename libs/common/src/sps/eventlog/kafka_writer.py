"""The one sender of one partition: what waits goes as a batch and is acknowledged, or its outcome is unknown.

One batch is under way at a time, with a number by which the broker knows a repetition; so order holds, and
what is repeated within the deadline is written once. After an unknown outcome the next batch has a higher
epoch: from then on the broker refuses whatever of the old one may still be on its way.
"""

import asyncio
import copy
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import structs

from sps.eventlog.kafka_batches import BATCH_BYTES_MAX, Producer, build, cost
from sps.eventlog.kafka_cluster import ANSWER_S, RETRY_S, Cluster, Line
from sps.eventlog.kafka_connection import kafka_error, retriable
from sps.eventlog.kafka_question import ask_produce
from sps.eventlog.kafka_requests import (
    INVALID_PRODUCER_EPOCH,
    INVALID_RECORD,
    MESSAGE_TOO_LARGE,
    NOT_LEADER,
    OK,
    OUT_OF_ORDER_SEQUENCE,
    UNKNOWN_PRODUCER_ID,
    UNKNOWN_TOPIC_OR_PARTITION,
    ask_producer_id,
    producer_id,
)
from sps.eventlog.port import LogRefused, LogTrouble, NewRecord
from sps.eventlog.topics import Topic

APPEND_S: Final = 10.0
"""From the call of an append to its answer, acknowledged or not known."""
TRY_S: Final = 4.0
"""One try; a leader that is silent for longer is dialled anew, and the batch repeated under its number."""
BROKER_S: Final = 3.0
"""How long a leader waits for the brokers in sync before it says that it does not know."""
DRAIN_S: Final = 1.0
"""How long a stop waits for what is under way."""
WAITING_APPENDS_MAX: Final = 10_000
WAITING_BYTES_MAX: Final = 64_000_000
EPOCH_MAX: Final = 32_767
SEQUENCE_END: Final = 2**31
_NEVER: Final = frozenset({MESSAGE_TOO_LARGE, INVALID_RECORD})
_NOT_WRITTEN: Final = frozenset({UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER})
_ANOTHER_PRODUCER: Final = frozenset({OUT_OF_ORDER_SEQUENCE, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID})
"""The broker lost what it knew of us; whether it has the batch is unknown."""


class _Append:
    """One caller's records on their way."""

    __slots__ = ("cost", "deadline", "done", "records")

    def __init__(self, records: Sequence[NewRecord], done: asyncio.Future[int], deadline: float) -> None:
        self.records = tuple(records)
        self.cost = cost(records)
        self.done = done
        self.deadline = deadline


class PartitionWriter:
    """Appends of this process to one partition."""

    def __init__(self, cluster: Cluster, topic: Topic, name: str, partition: int) -> None:
        self._cluster: Final = cluster
        self._topic: Final = topic
        self._name: Final = name
        self._partition: Final = partition
        self._line: Final = Line(cluster, name, partition)
        self._waiting: Final[deque[_Append]] = deque()
        self._bytes = 0
        self._sender: asyncio.Task[None] | None = None
        self._producer: Producer | None = None
        self._topic_id: tuple[int, int] | None = None
        self._trouble = ""

    async def append(self, records: Sequence[NewRecord]) -> int:
        """The offset of the first record. Raises `LogTrouble` at the deadline: the outcome is unknown."""
        loop = asyncio.get_running_loop()
        job = _Append(records, loop.create_future(), loop.time() + APPEND_S)
        if len(self._waiting) >= WAITING_APPENDS_MAX or self._bytes + job.cost > WAITING_BYTES_MAX:
            raise LogTrouble(
                f"{len(self._waiting)} appends to {self._name} are waiting for the broker already"
            )
        self._waiting.append(job)
        self._bytes += job.cost
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send_all())
        return await job.done

    async def stop(self) -> None:
        """Let what is under way end within `DRAIN_S`; whoever waits still, gets `LogTrouble`."""
        if self._sender is not None:
            await asyncio.wait({self._sender}, timeout=DRAIN_S)
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        self._line.cut()

    async def _send_all(self) -> None:
        """Until nothing waits. An outcome that is unknown is unknown to all who wait, so that order holds."""
        while group := self._next_group():
            try:
                await self._send(group)
            except LogRefused as error:
                _fail(group, error)
            except (LogTrouble, TimeoutError) as error:
                words = str(error) or f"not acknowledged in time; {self._trouble or 'no answer'}"
                self._give_up(group, LogTrouble(f"{self._name}/{self._partition}: {words}"))
            except asyncio.CancelledError:
                self._give_up(group, LogTrouble("the event log stopped meanwhile"))
                raise
            except Exception as error:  # noqa: BLE001 the callers get the defect, the lane lives
                self._give_up(group, error)

    def _next_group(self) -> list[_Append]:
        """Appends that fit one batch together; or one that needs several batches."""
        group: list[_Append] = []
        room = BATCH_BYTES_MAX
        while self._waiting and (not group or self._waiting[0].cost <= room):
            job = self._waiting.popleft()
            self._bytes -= job.cost
            if not job.done.done():  # whoever was cancelled wants it no more
                group.append(job)
                room -= job.cost
        return group

    async def _send(self, group: Sequence[_Append]) -> None:
        """Deliver and answer everybody. Raises `TimeoutError` at the deadline of the oldest."""
        async with asyncio.timeout_at(min(job.deadline for job in group)):
            if len(group) == 1:
                firsts = [await self._deliver(batch) for batch in _batches(group[0].records)]
                _settle(group[0], firsts[0])
                return
            offset = await self._deliver([record for job in group for record in job.records])
        for job in group:
            _settle(job, offset)
            offset += len(job.records)

    async def _deliver(self, records: Sequence[NewRecord]) -> int:
        """One batch, tried again under its number until somebody else's deadline; the first offset."""
        batch, doubtful = b"", False
        while True:
            try:
                await self._line.ready()
                if self._is_made_anew():
                    if doubtful:
                        break
                    batch = b""
                self._producer = self._producer or await self._new_producer()
                batch = batch or build(self._topic, records, self._producer)
                request = ask_produce(self._name, self._partition, batch, BROKER_S)
                answer = await self._line.ask(request, TRY_S)
            except LogTrouble as error:
                self._trouble = str(error)
                self._line.cut()
                doubtful = bool(batch)
            else:
                if answer.code == OK and answer.offset >= 0:
                    self._trouble = ""
                    self._advance(len(records))
                    return int(answer.offset)
                self._refused(answer.code)
                doubtful = doubtful or answer.code not in _NOT_WRITTEN
            self._cluster.stale()
            await asyncio.sleep(RETRY_S)
        raise LogTrouble(f"the topic was made anew meanwhile; {self._trouble}")

    def _is_made_anew(self) -> bool:
        """Then we have no number any more: an empty broker gives them out from the first again, to others."""
        before, self._topic_id = self._topic_id, self._cluster.identity(self._name)
        if before in {None, self._topic_id}:
            return False
        self._producer = None
        return True

    async def _new_producer(self) -> Producer:
        code, number, epoch = producer_id(await self._line.ask(ask_producer_id(), ANSWER_S))
        if code != OK:
            raise LogTrouble(f"the broker gives no producer id: {kafka_error(code)}")
        return Producer(number, epoch, 0)

    def _advance(self, count: int) -> None:
        producer = self._producer
        if producer is not None:
            self._producer = structs.replace(producer, sequence=(producer.sequence + count) % SEQUENCE_END)

    def _refused(self, code: int) -> None:
        """The broker says no: return to try again, or raise."""
        self._trouble = f"the broker says {kafka_error(code)}"
        if code in _NEVER:
            raise LogRefused(self._trouble)
        if code in _ANOTHER_PRODUCER:
            self._producer = None
        if code == OK or code in _ANOTHER_PRODUCER or not retriable(code):
            raise LogTrouble(self._trouble)

    def _give_up(self, group: Sequence[_Append], error: Exception) -> None:
        """Nothing of what was tried may be sent or taken from now on; say so to all who wait."""
        self._line.cut()
        producer = self._producer
        if producer is not None:
            fenced = Producer(producer.id, producer.epoch + 1, 0)
            self._producer = fenced if fenced.epoch <= EPOCH_MAX else None
        waiting = [*group, *self._waiting]
        self._waiting.clear()
        self._bytes = 0
        _fail(waiting, error)


def _batches(records: Sequence[NewRecord]) -> Iterator[list[NewRecord]]:
    """Runs that fit one batch each."""
    run: list[NewRecord] = []
    room = BATCH_BYTES_MAX
    for record in records:
        needed = cost([record])
        if run and needed > room:
            yield run
            run, room = [], BATCH_BYTES_MAX
        run.append(record)
        room -= needed
    yield run


def _settle(job: _Append, offset: int) -> None:
    if not job.done.done():
        job.done.set_result(offset)


def _fail(jobs: Sequence[_Append], error: Exception) -> None:
    for job in jobs:
        if not job.done.done():
            # Each waiter raises its own: one exception in several tasks grows one traceback for all.
            job.done.set_exception(copy.copy(error))
