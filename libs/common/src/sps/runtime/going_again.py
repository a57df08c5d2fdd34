"""The way back up to what is projected already: the chain executed again, and nothing written.

The cursor's block id commits to all ancestors, and its application hash to all that they did. So hardly a
certificate is checked on the way (`chain_walk`), no batch's signature, and what was read is right when the
hashes at its end are those of the cursor.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from sps.runtime.block_reader import BlockReader, Proved
from sps.runtime.chain_fold import ChainFold, Divergence
from sps.runtime.errors import Trouble
from sps.runtime.projection_cursor import Cursor
from sps.runtime.receipt_book import ReceiptBook

BLOCKS_MAX: Final = 1_024
"""Blocks that are executed in one go."""
BREATH: Final = 64
"""Of these, how many before the loop may do something else."""
GROUP_BYTES_MAX: Final = 8 * 1024 * 1024
"""Payload bytes that are held at once; a single block may have more."""
STALL_S: Final = 30.0
"""Without progress for this long it is trouble, and said so."""


class GoingAgain:
    """Begun once per start; after trouble it goes on where it was."""

    def __init__(self, cursor: Cursor, fold: ChainFold, reader: BlockReader, receipts: ReceiptBook) -> None:
        self.cursor: Final = cursor
        self.fold: Final = fold
        self.reader: Final = reader
        self.taken: list[Proved] = []
        """Read and not executed; in the end the blocks above the cursor that were read along."""
        self._receipts: Final = receipts

    async def to_the_cursor(self) -> None:
        """Raises `Divergence` when the chain gives another result than what is projected."""
        clock = asyncio.get_running_loop()
        progress_s = clock.time()
        height = self.cursor.height
        while self.fold.height < height:
            self.taken = self.taken or await self.reader.next(BLOCKS_MAX)
            group = bounded([block for block in self.taken if block[1].header.height <= height])
            if group:
                await self._execute(group)
                progress_s = clock.time()
            elif clock.time() - progress_s > STALL_S:
                raise Trouble(f"the chain's blocks after height {self.fold.height} cannot be had now")
        if self.fold.app_hash != self.cursor.app_hash:
            raise Divergence(f"the chain executed again to height {height} gives another result")

    async def _execute(self, group: Sequence[Proved]) -> None:
        batches = await self.fold.batches_of(group, signed=False)
        for number, block in enumerate(group, 1):
            self._receipts.add(self.fold.execute(block, batches).receipts)
            del self.taken[0]
            if not number % BREATH:
                await asyncio.sleep(0)


def bounded(blocks: Sequence[Proved]) -> list[Proved]:
    """The first blocks, as many as may be in memory with their batches; at least one."""
    size = 0
    for index, (_, committed) in enumerate(blocks):
        size += sum(ref.payload_len for ref in committed.refs)
        if index and size > GROUP_BYTES_MAX:
            return list(blocks[:index])
    return list(blocks)
