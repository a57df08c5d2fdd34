"""Reads the three topics with offsets of its own: no groups, no commits, and nothing believed.

Offsets are hints. Where the log has let records go, reading goes on at its oldest record, and what is
missing comes from peers. What does not read is counted and passed over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from consensus_node.application.fetching import Fetcher
from consensus_node.application.inbox import INPUTS_MAX, Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.application.listening import Listening
from consensus_node.application.node_tracing import NodeTracing
from consensus_node.application.ports import BlockKeeper
from consensus_node.core.config import PUBLICATIONS_PENDING_MAX
from consensus_node.core.inputs import CommittedLearned
from consensus_node.core.wire import decode_message
from consensus_node.metrics import NodeMetrics
from sps.chain.binary import Malformed
from sps.chain.block import decode_committed
from sps.chain.header import height_of
from sps.eventlog.port import EventLog, OffsetGone, Record
from sps.eventlog.topics import BLOCKS, CONSENSUS, TOPICS, TRANSACTIONS

WAIT_S: Final = 5.0
READ_MAX: Final = 500
BLOCKS_WAITING_MAX: Final = 64
"""Blocks are read on when hardly anything waits: an invented one may be large."""
HISTORY: Final = 2_000
"""Newest records of the consensus topic that are read at the start: the talk of the running views."""
SAVE_EVERY_S: Final = 2.0


class Hints(Protocol):
    """Where to read on after a restart."""

    def get(self, topic: str, partition: int) -> int: ...

    def put(self, topic: str, partition: int, following: int) -> None: ...

    def save(self) -> None: ...


class Consumers:
    """One loop per partition: `loops` names them."""

    def __init__(
        self,
        log: EventLog,
        hints: Hints,
        listening: Listening,
        intake: Intake,
        fetcher: Fetcher,
        blocks: BlockKeeper,
        inbox: Inbox,
        clock: SteadyClock,
        metrics: NodeMetrics,
        tracing: NodeTracing | None = None,
    ) -> None:
        self._log = log
        self._hints = hints
        self._listening = listening
        self._intake = intake
        self._fetcher = fetcher
        self._blocks = blocks
        self._inbox = inbox
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self._next: dict[tuple[str, int], int] = {}

    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What a supervisor runs: a partition that no producer of the genesis writes to is not read."""
        partitions = {number % TOPICS[TRANSACTIONS].partitions for number in self._intake.producers}
        lanes = {
            f"transactions-{number}": self._reader(TRANSACTIONS, number, self._batches)
            for number in sorted(partitions)
        }
        return {
            **lanes,
            "consensus": self._reader(CONSENSUS, 0, self._messages),
            "blocks": self._reader(BLOCKS, 0, self._committed, BLOCKS_WAITING_MAX),
            "offsets": self._save,
        }

    def _reader(
        self,
        topic: str,
        partition: int,
        handle: Callable[[Sequence[Record]], Awaitable[None]],
        waiting_max: int = INPUTS_MAX,
    ) -> Callable[[], Awaitable[None]]:
        limit = min(READ_MAX, waiting_max)

        async def read() -> None:
            if (topic, partition) not in self._next:
                self._next[topic, partition] = await self._begin(topic, partition)
            while True:
                await self._inbox.room(waiting_max)
                following = self._next[topic, partition]
                try:
                    records = await self._log.read(topic, partition, following, limit=limit, wait_s=WAIT_S)
                except OffsetGone as gone:
                    self._next[topic, partition] = gone.start
                    continue
                if records:
                    await handle(records)
                    self._next[topic, partition] = records[-1].offset + 1

        return read

    async def _begin(self, topic: str, partition: int) -> int:
        """The hint, unless the log begins behind it or ends before it (then it is another log)."""
        start, end = await self._log.bounds(topic, partition)
        if topic == CONSENSUS:
            return max(start, end - HISTORY)
        hint = self._hints.get(topic, partition)
        return hint if start <= hint <= end else start

    async def _batches(self, records: Sequence[Record]) -> None:
        await self._intake.accept([record.value for record in records])
        if self._tracing is not None:
            self._tracing.stored(records, self._intake.has)
        if self._intake.wanted:
            self._fetcher.want_batches()
        last = records[-1]
        self._hints.put(last.topic, last.partition, last.offset + 1)

    async def _messages(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                message = decode_message(record.value)
            except Malformed:
                self._metrics.refused.labels("message").inc()
            else:
                self._listening.heard(message)

    async def _committed(self, records: Sequence[Record]) -> None:
        """A block that is final here already still says that nobody has to write it to the topic again."""
        for record in records:
            final = self._blocks.height
            try:
                height = height_of(record.value)
                committed = (
                    decode_committed(record.value) if height > final - PUBLICATIONS_PENDING_MAX else None
                )
            except Malformed:
                self._metrics.refused.labels("block").inc()
                continue
            if committed is not None:
                self._inbox.put(CommittedLearned(self._clock.now_ms(), committed))
            if height <= final:
                self._hints.put(record.topic, record.partition, record.offset + 1)

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            self._hints.save()
