"""Proved blocks in order, from the log first, from validators where the log has a gap."""

import asyncio
from collections.abc import Callable
from typing import Final

from sps.chain.batch import Verify
from sps.chain.block import Committed
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.chain.header import genesis_block_id
from sps.eventlog.port import EventLog, LogTrouble, OffsetGone, Record
from sps.eventlog.topics import BLOCKS
from sps.runtime.chain_walk import ChainWalk
from sps.runtime.peers import BlockSource
from sps.signing import verify as verify_signature

READ_RECORDS: Final = 128
READ_AGAIN_RECORDS: Final = 1_024
"""Below what is projected already hardly any certificate is checked: large reads."""
BREATH: Final = 8
"""Blocks that are proved before the loop may do something else: about a millisecond."""
BREATH_AGAIN: Final = 64
"""The same below what is projected already."""
READ_WAIT_S: Final = 0.5
FETCH_BLOCKS: Final = 256
QUIET_S: Final = 5.0
"""The log brought nothing for this long: validators are asked whether it has lost the newest block."""

Proved = tuple[bytes, Committed]
"""A final block with its id."""


class BlockReader:
    """One pass over the chain from its beginning; `projected` is where an earlier pass ended."""

    def __init__(
        self,
        genesis: Genesis,
        log: EventLog,
        peers: BlockSource,
        *,
        projected: tuple[int, bytes] = (0, b""),
        verify: Verify = verify_signature,
        seen: Callable[[Record], None] | None = None,
    ) -> None:
        """`seen` is shown the log's records that are not projected yet, unverified."""
        name = chain_id(genesis_bytes(genesis))
        self.projected: Final = projected
        self._log: Final = log
        self._peers: Final = peers
        self._seen: Final = seen
        self._offset = 0
        self._quiet_since_s = 0.0
        """Nothing has come, and nobody was asked, since then."""
        self._walk: Final = ChainWalk(
            genesis.committee(), name, genesis_block_id(name), projected=projected, verify=verify
        )
        self.at_end = False
        """The log's end was reached, and nothing is known to be missing."""
        self.fetched = 0

    @property
    def best(self) -> int:
        """The highest height that is known to be final."""
        return self._walk.best

    @property
    def refused(self) -> int:
        return self._walk.refused

    async def next(self, limit: int) -> list[Proved]:
        """At most `limit` further blocks; [] when there are none for now.

        Raises `Fork`, and `LogTrouble` when the log is away and validators have nothing new either.
        """
        blocks = self._walk.take(limit)
        if blocks:
            return blocks
        tip, trouble, read = self._walk.tip, None, False
        try:
            read = await self._read()
        except LogTrouble as error:
            trouble = error
        now_s = asyncio.get_running_loop().time()
        if self._walk.tip > tip:
            self._quiet_since_s = now_s
        elif not read or now_s - self._quiet_since_s > QUIET_S:  # the end, or nothing but garbage
            await self._ask(now_s)
        blocks = self._walk.take(limit)
        if trouble is not None and not blocks:
            self.at_end = False
            raise trouble
        return blocks

    async def _read(self) -> bool:
        """Read on in the log; waits a moment only when nothing is known to be missing."""
        wait_s = 0.0 if self._walk.gap() or not self.at_end else READ_WAIT_S
        again = self._walk.tip < self.projected[0]
        limit = READ_AGAIN_RECORDS if again else READ_RECORDS
        try:
            records = await self._log.read(BLOCKS, 0, self._offset, limit=limit, wait_s=wait_s)
        except OffsetGone as gone:  # older blocks are the validators' to give
            self._offset = gone.start
            return True
        breath = BREATH_AGAIN if again else BREATH
        for number, record in enumerate(records, 1):
            self._offset = record.offset + 1
            self._walk.offer(record.value)
            if self._seen is not None and not again:
                self._seen(record)
            if not number % breath:
                await asyncio.sleep(0)
        return bool(records)

    async def _ask(self, now_s: float) -> None:
        """Ask validators for what the log lacks, now and then for what is newer than all it brought."""
        gap = self._walk.gap()
        self.at_end = gap is None
        if gap is None and now_s - self._quiet_since_s < QUIET_S:
            return
        tip = self._walk.tip
        first = gap[0] if gap else tip + 1
        for number, record in enumerate(await self._peers.blocks(first, FETCH_BLOCKS), 1):
            self.fetched += self._walk.offer(record, prove=True)
            if not number % BREATH:
                await asyncio.sleep(0)
        more = self._walk.tip >= tip + FETCH_BLOCKS
        self._quiet_since_s = -QUIET_S if more else now_s
        gap = self._walk.gap()
        self.at_end = gap is None and not more
        if gap is not None and gap[0] == first:
            self._read_again()
            await asyncio.sleep(READ_WAIT_S)  # nobody has it yet; the log may still bring it

    def _read_again(self) -> None:
        """What stood on the log too far ahead of its place is there still."""
        if self._walk.passed_over:
            self._walk.passed_over = False
            self._offset = 0
