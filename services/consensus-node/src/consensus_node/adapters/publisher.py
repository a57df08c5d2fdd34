"""What the node says, on its way to the log: whatever waits goes out as one append.

Messages of the consensus topic may be lost, the replica repeats them. Final blocks are tried until the log
takes them; only their heights wait here, and the records come from the node's own store, so that a log that
is away for long loses none. Both queues are bounded, and the votes never wait behind the blocks.
"""

import asyncio
from collections import deque
from typing import Final

from consensus_node.application.node_tracing import NodeTracing
from consensus_node.application.ports import BlockKeeper
from consensus_node.core.messages import Message
from consensus_node.core.wire import encode_message
from consensus_node.metrics import NodeMetrics
from sps.chain.block import Committed
from sps.eventlog.port import EventLog, LogTrouble, NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS

MESSAGES_MAX: Final = 1_024
HEIGHTS_MAX: Final = 4_096
"""Heights that wait one by one; beyond, the oldest of them are one run from the lowest to the highest."""
APPEND_MAX: Final = 64
_KEY_BYTES: Final = 8


class Publisher:
    """Two loops: `speak` and `write_blocks`."""

    def __init__(
        self,
        log: EventLog,
        index: int,
        blocks: BlockKeeper,
        metrics: NodeMetrics,
        tracing: NodeTracing | None = None,
    ) -> None:
        self._log = log
        self._key = index.to_bytes(2, "big")
        self._blocks = blocks
        self._metrics = metrics
        self._tracing = tracing
        self._messages: deque[NewRecord] = deque(maxlen=MESSAGES_MAX)
        self._heights: deque[int] = deque()
        self._run = range(0)
        self._message_waits = asyncio.Event()
        self._block_waits = asyncio.Event()

    def say(self, message: Message) -> None:
        """Queue for the consensus topic; the oldest goes when there are too many."""
        if len(self._messages) == MESSAGES_MAX:
            self._metrics.unsent.inc()
        self._messages.append(NewRecord(self._key, encode_message(message)))
        self._message_waits.set()

    def announce(self, committed: Committed) -> None:
        """Queue a block that stands in the store for the blocks topic."""
        self._heights.append(committed.header.height)
        if len(self._heights) > HEIGHTS_MAX:
            self._overflow(self._heights.popleft())
        self._block_waits.set()

    async def speak(self) -> None:
        """Append messages as they come, for ever; those of an append that fails are lost and counted."""
        while True:
            await self._message_waits.wait()
            while self._messages:
                group = [self._messages.popleft() for _ in range(min(APPEND_MAX, len(self._messages)))]
                try:
                    await self._log.append(CONSENSUS, 0, group)
                except LogTrouble:
                    self._metrics.unsent.inc(len(group))
                    raise
            self._message_waits.clear()

    async def write_blocks(self) -> None:
        """Append blocks as they come, for ever; what failed is tried again first."""
        while True:
            await self._block_waits.wait()
            while self._run or self._heights:
                await (self._write_run() if self._run else self._write_heights())
            self._block_waits.clear()

    async def _write_run(self) -> None:
        first = self._run.start
        raws = self._blocks.records(first, min(APPEND_MAX, len(self._run)))
        await self._append(list(enumerate(raws, first)))
        if self._run.start == first:  # else the run has grown downwards meanwhile
            self._run = range(first + len(raws), self._run.stop)

    async def _write_heights(self) -> None:
        heights = [self._heights[place] for place in range(min(APPEND_MAX, len(self._heights)))]
        await self._append([(height, self._blocks.records(height, 1)[0]) for height in heights])
        written = set(heights)
        while self._heights and self._heights[0] in written:  # the run may have taken some of them
            self._heights.popleft()

    async def _append(self, blocks: list[tuple[int, bytes]]) -> None:
        records = [self._record(height, raw) for height, raw in blocks]
        await self._log.append(BLOCKS, 0, records)

    def _record(self, height: int, raw: bytes) -> NewRecord:
        headers = self._tracing.headers(raw) if self._tracing is not None else ()
        return NewRecord(height.to_bytes(_KEY_BYTES, "big"), raw, headers)

    def _overflow(self, height: int) -> None:
        run = self._run
        low, high = (min(run.start, height), max(run.stop, height + 1)) if run else (height, height + 1)
        self._run = range(low, high)
