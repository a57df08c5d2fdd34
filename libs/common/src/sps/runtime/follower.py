"""A service's own view of the chain: every block verified, executed and projected exactly once, in order.

One block is one database transaction: projection, outbox confirmation and cursor commit together or not at
all. Far behind, several blocks share one. The state in memory is a fold of the chain and is made anew from
the log whenever it could disagree with the database. What breaks an invariant stops the follower at its
height; it never skips (`docs/life-of-a-contract.md`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sps.chain.batch import Batch, Verify
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.chain.header import genesis_block_id
from sps.chain.receipt import Receipt
from sps.chain.state import ChainState
from sps.eventlog.port import EventLog
from sps.runtime.block_reader import BlockReader, Proved
from sps.runtime.chain_fold import ChainFold
from sps.runtime.chain_tracing import ChainTracing
from sps.runtime.database import Database
from sps.runtime.going_again import GoingAgain, bounded
from sps.runtime.lifecycle import Backoff, Supervisor
from sps.runtime.metrics import FollowerMetrics
from sps.runtime.outbox_facts import TransactionOutbox
from sps.runtime.peers import BlockSource, Peers
from sps.runtime.probe import Probe, no_probe
from sps.runtime.projection import ExecutedBlock, NoProjection, Projection
from sps.runtime.projection_cursor import Cursor, CursorRow
from sps.runtime.receipt_book import ReceiptBook
from sps.signing import verify as verify_signature

__all__ = ["ExecutedBlock", "Follower", "NoProjection", "Projection"]

GROUP_BLOCKS_MAX: Final = 64
"""Blocks that share a database transaction when the follower is far behind."""
READY_LAG_MAX: Final = 50
"""Blocks behind the newest known one; more and the service is not ready."""
LOOP: Final = "follower"
BACKOFF: Final = Backoff(first_s=0.05, longest_s=1.0)
"""When the log or the database is back, nobody waits long for the follower."""


class Follower:
    """Follows one chain for one service. `start` it with a supervisor; it stops with the supervisor.

    The probe is called with `follower.verified`, `.executed`, `.projected`, `.cursor` and `.committed`.
    """

    def __init__(
        self,
        genesis: Genesis,
        log: EventLog,
        database: Database,
        service: str,
        projection: Projection,
        outbox: TransactionOutbox | None = None,
        peers: BlockSource | None = None,
        *,
        verify: Verify = verify_signature,
        metrics: FollowerMetrics | None = None,
        tracing: ChainTracing | None = None,
        probe: Probe = no_probe,
    ) -> None:
        self.chain_id: Final = chain_id(genesis_bytes(genesis))
        self._genesis: Final = genesis
        self._log: Final = log
        self._database: Final = database
        self._projection: Final = projection
        self._outbox: Final = outbox
        self._peers: Final[BlockSource] = peers or Peers([member.url for member in genesis.validators])
        self._verify: Final = verify
        self._metrics: Final = metrics
        self._tracing: Final = tracing
        self._probe: Final = probe
        self._row: Final = CursorRow(service, self.chain_id)
        self._receipts: Final = ReceiptBook()
        self._fold = self._new_fold()
        self._genesis_app_hash: Final = self._fold.app_hash
        self._again: GoingAgain | None = None
        self._reader = self._new_reader((0, b""))
        self._usable = False
        """The state in memory is the one at the cursor, or at `_pending`."""
        self._taken: list[Proved] = []
        self._group_max = GROUP_BLOCKS_MAX
        self._pending: ExecutedBlock | None = None
        self._height = 0
        self._moved = asyncio.Event()
        self._replayed: Final = asyncio.Event()
        self._current: Final = asyncio.Event()

    async def start(self, supervisor: Supervisor) -> None:
        """Follow in the background; returns when the state is again where the database is.

        Raises the defect that stopped it, if one did.
        """
        supervisor.run(LOOP, self.run, BACKOFF)
        replayed = asyncio.ensure_future(self._replayed.wait())
        failed = asyncio.ensure_future(supervisor.failed())
        try:
            await asyncio.wait({replayed, failed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            replayed.cancel()
            failed.cancel()
        if supervisor.defect is not None:
            raise supervisor.defect

    async def stop(self) -> None:
        """Close the connections to validators; the loop is the supervisor's to stop."""
        await self._peers.stop()

    async def run(self) -> None:
        """Follow for ever. Called anew after trouble; goes on where the database is."""
        if not self._usable:
            await self._rebuild()
        if self._pending is not None:
            await self._settle(self._pending)
        while True:
            await self._step()

    @property
    def state(self) -> ChainState:
        """The chain after the newest applied block. Read only, and not across an `await`."""
        return self._fold.state

    @property
    def height(self) -> int:
        """The newest block that is projected and committed."""
        return self._height

    @property
    def lag(self) -> int:
        """How many blocks are known to be final and are not projected yet."""
        return max(0, self._reader.best - self._height)

    def ready(self) -> bool:
        """The end of the chain was reached once, and the follower is near it."""
        return self._current.is_set() and self.lag <= READY_LAG_MAX

    async def caught_up(self) -> None:
        """Return when the end of the chain has been reached once since the start."""
        await self._current.wait()

    async def reached(self, height: int) -> None:
        """Return when the block at `height` is projected and committed."""
        while self._height < height:
            await self._moved.wait()

    async def receipt(self, transaction: str, timeout_s: float) -> Receipt | None:
        """The receipt of a transaction (hex hash), once its block is projected; None when not in time.

        The newest receipts are kept, see `receipt_book`.
        """
        return await self._receipts.wait(transaction, timeout_s)

    async def _step(self) -> None:
        """One database transaction's worth of blocks, or a wait for more."""
        if not self._taken:
            self._taken = await self._reader.next(GROUP_BLOCKS_MAX)
        if not self._taken:
            self._report()
            if self._reader.at_end:
                self._current.set()
            return
        self._probe("follower.verified")
        if self._tracing is not None:
            self._tracing.begins()
        group = bounded(self._taken[: self._group_max])
        batches = await self._fold.batches_of(group)
        if len(group) == 1:
            await self._apply_one(group[0], batches)
        else:
            await self._apply_group(group, batches)

    async def _apply_one(self, block: Proved, batches: Mapping[bytes, Batch]) -> None:
        executed = self._fold.execute(block, batches)
        self._pending = executed
        del self._taken[0]
        self._probe("follower.executed")
        await self._commit(executed)

    async def _commit(self, executed: ExecutedBlock) -> None:
        """Project one executed block. After trouble it is still pending, and `_settle` finds out."""
        async with self._database.transaction() as connection:
            await self._take(connection, executed)
        self._pending = None
        self._group_max = min(GROUP_BLOCKS_MAX, 2 * self._group_max)
        self._committed([executed])

    async def _take(self, connection: AsyncConnection, executed: ExecutedBlock) -> None:
        """The cursor first: whoever else moves it waits for us, or we for him and then know that we lost."""
        await self._move_cursor(connection, executed)
        await self._project(connection, executed)

    async def _apply_group(self, group: Sequence[Proved], batches: Mapping[bytes, Batch]) -> None:
        """Several blocks in one transaction. When that fails, the state in memory is ahead: made anew.

        That takes long on a long chain, so afterwards the groups are small at first.
        """
        self._usable, self._group_max = False, 1
        done: list[ExecutedBlock] = []
        async with self._database.transaction() as connection:
            await self._row.hold(connection)
            for block in group:
                done.append(self._fold.execute(block, batches))
                self._probe("follower.executed")
                await self._project(connection, done[-1])
            await self._move_cursor(connection, done[-1])
        self._usable, self._group_max = True, min(GROUP_BLOCKS_MAX, 2 * len(group))
        del self._taken[: len(group)]
        self._committed(done)

    async def _project(self, connection: AsyncConnection, executed: ExecutedBlock) -> None:
        await self._projection.apply(connection, executed)
        if self._outbox is not None:
            await self._outbox.confirm(connection, executed.height, executed.committed.refs)
        self._probe("follower.projected")

    async def _move_cursor(self, connection: AsyncConnection, last: ExecutedBlock) -> None:
        after = Cursor(last.height, last.block_id, last.app_hash)
        await self._row.advance(connection, self._height, after)
        self._probe("follower.cursor")

    async def _settle(self, executed: ExecutedBlock) -> None:
        """A block was executed and its transaction's end is not known: the cursor tells.

        It is held, since that transaction may still be under way: a look alone could come before its COMMIT.
        """
        ended = Cursor(executed.height, executed.block_id, executed.app_hash)
        async with self._database.transaction() as connection:
            projected = await self._row.hold(connection) == ended
            if not projected:
                await self._take(connection, executed)
        self._pending = None
        if projected and self._outbox is not None:
            self._outbox.look_again()  # the call-backs of that COMMIT did not run
        self._committed([executed])

    def _committed(self, blocks: Sequence[ExecutedBlock]) -> None:
        for block in blocks:
            self._receipts.add(block.receipts)
        self._height = blocks[-1].height
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        if self._metrics is not None and self._current.is_set():  # what came before is no news
            self._metrics.committed()
        self._report()
        if self._tracing is not None:
            self._tracing.committed(blocks)
        self._probe("follower.committed")

    async def _rebuild(self) -> None:
        """Execute the chain from its beginning up to the cursor, without projecting."""
        origin = Cursor(0, genesis_block_id(self.chain_id), self._genesis_app_hash)
        async with self._database.transaction() as connection:
            cursor = await self._row.claim(connection, origin)
        again = self._again
        if again is None or again.cursor != cursor:
            reader = self._new_reader((cursor.height, cursor.block_id))
            again = self._again = GoingAgain(cursor, self._new_fold(), reader, self._receipts)
        await again.to_the_cursor()
        self._fold, self._reader, self._taken = again.fold, again.reader, again.taken
        self._pending = self._again = None
        self._height = cursor.height
        self._usable = True
        self._replayed.set()
        if self._outbox is not None:
            self._outbox.look_again()

    def _new_fold(self) -> ChainFold:
        told = None
        if self._tracing is not None:
            self._tracing.begin_again()
            told = self._tracing.executed
        return ChainFold(self._genesis, self._log, self._peers, self._verify, told)

    def _new_reader(self, projected: tuple[int, bytes]) -> BlockReader:
        seen = self._tracing.read if self._tracing is not None else None
        return BlockReader(
            self._genesis, self._log, self._peers, projected=projected, verify=self._verify, seen=seen
        )

    def _report(self) -> None:
        if self._metrics is None:
            return
        self._metrics.height.set(self._height)
        self._metrics.lag.set(self.lag)
        self._metrics.show("refused", block=self._reader.refused, batch=self._fold.refused)
        self._metrics.show("fetched", block=self._reader.fetched, batch=self._fold.fetched)
