"""What the node says, on its way to the log: whatever waits goes out as one append.

Messages of the consensus topic may be lost, the replica repeats them; committed blocks are tried until the
log takes them. Both queues are bounded, and the votes never wait behind the blocks.
"""

import asyncio
from collections import deque
from typing import Final

from consensus_node.core.messages import Message
from consensus_node.core.wire import encode_message
from consensus_node.metrics import NodeMetrics
from sps.chain.block import Committed, encode_committed
from sps.eventlog.port import EventLog, LogTrouble, NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS

MESSAGES_MAX: Final = 1_024
BLOCKS_MAX: Final = 256
APPEND_MAX: Final = 64
_KEY_BYTES: Final = 8


class Publisher:
    """Two loops: `speak` and `write_blocks`."""

    def __init__(self, log: EventLog, index: int, metrics: NodeMetrics) -> None:
        self._log = log
        self._key = index.to_bytes(2, "big")
        self._metrics = metrics
        self._messages: deque[NewRecord] = deque(maxlen=MESSAGES_MAX)
        self._blocks: deque[NewRecord] = deque(maxlen=BLOCKS_MAX)
        self._message_waits = asyncio.Event()
        self._block_waits = asyncio.Event()

    def say(self, message: Message) -> None:
        """Queue for the consensus topic; the oldest goes when there are too many."""
        if len(self._messages) == MESSAGES_MAX:
            self._metrics.unsent.inc()
        self._messages.append(NewRecord(self._key, encode_message(message)))
        self._message_waits.set()

    def announce(self, committed: Committed) -> None:
        """Queue for the blocks topic."""
        key = committed.header.height.to_bytes(_KEY_BYTES, "big")
        self._blocks.append(NewRecord(key, encode_committed(committed)))
        self._block_waits.set()

    async def speak(self) -> None:
        """Append messages as they come, for ever."""
        while True:
            await self._message_waits.wait()
            self._message_waits.clear()
            while self._messages:
                group = _some(self._messages)
                try:
                    await self._log.append(CONSENSUS, 0, group)
                except LogTrouble:
                    self._metrics.unsent.inc(len(group))
                    raise

    async def write_blocks(self) -> None:
        """Append blocks as they come, for ever; what failed is tried again first."""
        while True:
            await self._block_waits.wait()
            while self._blocks:
                group = list(self._blocks)[:APPEND_MAX]
                await self._log.append(BLOCKS, 0, group)
                for record in group:
                    if self._blocks and self._blocks[0] is record:
                        self._blocks.popleft()
            self._block_waits.clear()


def _some(queue: deque[NewRecord]) -> list[NewRecord]:
    return [queue.popleft() for _ in range(min(APPEND_MAX, len(queue)))]
