"""Proved blocks in order, from the log first, from validators where the log has a gap."""

import asyncio
from typing import Final

from sps.chain.batch import Verify
from sps.chain.block import Committed
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.chain.header import genesis_block_id
from sps.eventlog.port import EventLog, OffsetGone
from sps.eventlog.topics import BLOCKS
from sps.runtime.chain_walk import ChainWalk
from sps.runtime.peers import BlockSource
from sps.signing import verify as verify_signature

READ_RECORDS: Final = 128
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
    ) -> None:
        name = chain_id(genesis_bytes(genesis))
        self._log: Final = log
        self._peers: Final = peers
        self._offset = 0
        self._asked_s = 0.0
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
        """At most `limit` further blocks; [] when there are none for now. Raises `Fork`."""
        blocks = self._walk.take(limit)
        if blocks:
            return blocks
        if not await self._read():
            await self._fill_gap()
        return self._walk.take(limit)

    async def _read(self) -> bool:
        """Read on in the log; waits a moment only when nothing is known to be missing."""
        wait_s = 0.0 if self._walk.gap() or not self.at_end else READ_WAIT_S
        try:
            records = await self._log.read(BLOCKS, 0, self._offset, limit=READ_RECORDS, wait_s=wait_s)
        except OffsetGone as gone:  # older blocks are the validators' to give
            self._offset = gone.start
            return True
        for record in records:
            self._offset = record.offset + 1
            self._walk.offer(record.value)
        if records:
            self._asked_s = asyncio.get_running_loop().time()
        return bool(records)

    async def _fill_gap(self) -> None:
        """The log has nothing more: ask validators for what is missing, now and then for what is newer."""
        now_s = asyncio.get_running_loop().time()
        gap = self._walk.gap()
        self.at_end = gap is None
        if gap is None and now_s - self._asked_s < QUIET_S:
            return
        self._asked_s = now_s
        first = gap[0] if gap else self._walk.tip + 1
        for record in await self._peers.blocks(first, FETCH_BLOCKS):
            self.fetched += self._walk.offer(record, prove=True)
        gap = self._walk.gap()
        self.at_end = gap is None
        if gap is not None and gap[0] == first:
            await asyncio.sleep(READ_WAIT_S)  # nobody has it yet; the log may still bring it
