"""What is missing here is fetched from other nodes: blocks by height, batches by digest.

An answer proves itself or is dropped: batches by digest and signature in `Intake`, blocks by their
certificate in the replica. One request at a time, so that a node far behind cannot flood anybody.
"""

import asyncio
from itertools import islice
from typing import Final

from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.application.ports import BlockKeeper, Peers
from consensus_node.core.inputs import CommittedLearned
from consensus_node.metrics import NodeMetrics
from sps.chain.batch import encode_batch
from sps.runtime.errors import Trouble

BLOCKS_AT_ONCE: Final = 128
BATCHES_AT_ONCE: Final = 64
"""Of the missing batches those that were asked for last come first: the others may not exist."""
PAUSE_FIRST_S: Final = 0.1
PAUSE_LONGEST_S: Final = 1.0
SETTLE_S: Final = 1.0
"""How long the replica may take to accept fetched blocks before they are asked for again."""
LOOK_EVERY_S: Final = 10.0


class Fetcher:
    """Two loops: `fetch_blocks` and `fetch_batches`."""

    def __init__(
        self,
        peers: Peers,
        blocks: BlockKeeper,
        intake: Intake,
        inbox: Inbox,
        clock: SteadyClock,
        metrics: NodeMetrics,
    ) -> None:
        self._peers = peers
        self._blocks = blocks
        self._intake = intake
        self._inbox = inbox
        self._clock = clock
        self._metrics = metrics
        self._target = 0
        self._blocks_wanted = asyncio.Event()
        self._batches_wanted = asyncio.Event()
        self._grown = asyncio.Event()

    def want_blocks(self, to_height: int) -> None:
        """Fetch the final blocks up to this height, from the first one that is missing."""
        self._target = max(self._target, to_height)
        self._blocks_wanted.set()

    def want_batches(self) -> None:
        """Fetch what `Intake.wanted` names."""
        self._batches_wanted.set()

    def grown(self) -> None:
        """The block store has grown."""
        self._grown.set()

    async def look(self) -> None:
        """Ask around, now and every while, whether there is more than we know; a claim starts a fetch."""
        while True:
            height = await self._peers.heights()
            if height > self._blocks.height:
                self.want_blocks(height)
            await asyncio.sleep(LOOK_EVERY_S)

    async def fetch_blocks(self) -> None:
        """Serve `want_blocks`, for ever."""
        pause_s = PAUSE_FIRST_S
        while True:
            await self._blocks_wanted.wait()
            before = self._blocks.height
            if before >= self._target:
                self._blocks_wanted.clear()
                continue
            await self._some_blocks(before + 1)
            advanced = self._blocks.height > before
            pause_s = PAUSE_FIRST_S if advanced else min(pause_s * 2, PAUSE_LONGEST_S)
            if not advanced:
                self._target = before if pause_s == PAUSE_LONGEST_S else self._target
                await asyncio.sleep(pause_s)

    async def _some_blocks(self, first: int) -> None:
        try:
            found = await self._peers.blocks(first, min(BLOCKS_AT_ONCE, self._target - first + 1))
        except Trouble:
            return
        for committed in found:
            self._metrics.fetched.labels("block").inc()
            self._inbox.put(CommittedLearned(self._clock.now_ms(), committed))
        await self._settled(first + len(found) - 1)

    async def _settled(self, height: int) -> None:
        """Wait until the replica has accepted blocks up to this height, or time is up."""
        try:
            async with asyncio.timeout(SETTLE_S):
                while self._blocks.height < height:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            return

    async def fetch_batches(self) -> None:
        """Serve `Intake.wanted`, for ever."""
        pause_s = PAUSE_FIRST_S
        while True:
            await self._batches_wanted.wait()
            wanted = list(islice(reversed(self._intake.wanted), BATCHES_AT_ONCE))
            if not wanted:
                self._batches_wanted.clear()
                continue
            found = [await self._one_batch(name) for name in wanted]
            pause_s = PAUSE_FIRST_S if any(found) else min(pause_s * 2, PAUSE_LONGEST_S)
            await asyncio.sleep(pause_s)

    async def _one_batch(self, name: bytes) -> bool:
        if name not in self._intake.wanted:
            return True
        try:
            batch = await self._peers.batch(name)
        except Trouble:
            return False
        if batch is None:
            return False
        self._metrics.fetched.labels("batch").inc()
        await self._intake.accept([encode_batch(batch)])
        return name not in self._intake.wanted
