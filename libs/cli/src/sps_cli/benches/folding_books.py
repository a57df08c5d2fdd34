"""Settlement's books on PostgreSQL, folding a chain that is executed as it goes, block by block."""

import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from msgspec import Struct

from settlement.adapters.opening import open_books
from settlement.adapters.projection import SettlementProjection, Wakes
from settlement.metrics import Metrics
from sps.chain.header import genesis_block_id
from sps.chain.receipt import OK
from sps.runtime.database import Database
from sps.runtime.migrations import upgrade
from sps.runtime.projection_cursor import Cursor, CursorRow
from sps_cli.benches.figures import Stopwatch
from sps_cli.benches.long_chain import STAGE_ROLES, WORKLOAD, LongChain
from sps_cli.benches.ordering_seat import Town
from sps_cli.benches.own_servers import server_cpu_s
from sps_cli.benches.programs import load_program
from sps_cli.servers.postgres import PostgresServer

STREAM: Final = "settlement"
DELIVERED: Final = 4
"""The stage that releases."""
PREPARED_PER_BLOCK: Final = 1_000
PER_BATCH: Final = 500
"""Transactions of the largest kind fill a batch with so many."""
PER_S: Final = 1e6
"""Microseconds in a second."""


class Run(Struct, frozen=True):
    """Deliveries executed and folded; microseconds per release."""

    releases: int
    wall_us: float
    """From having the block's batches to the answer of COMMIT."""
    transaction_us: float
    """Of that: from BEGIN on."""
    executing_us: float
    """CPU of executing the blocks."""
    folding_us: float
    """CPU of the transaction in this process: what is settlement's own."""
    server_us: float | None
    """CPU of PostgreSQL with its backends; None when the server is not ours."""


class FoldingBooks:
    """One chain, one database. `prepare` contracts up to their delivery, then `deliver` them."""

    def __init__(self, town: Town, server: PostgresServer, database: Database) -> None:
        self._server: Final = server
        self._database: Final = database
        self._chain: Final = LongChain(town, 0)
        wakes = Wakes(ordered=_nobody, quoted=_nobody)
        signer = town.producers["settlement"][1]
        self._projection: Final = SettlementProjection(signer, town.chain_id, wakes, Metrics([]))
        self._row: Final = CursorRow(STREAM, town.chain_id)
        self._folding = Stopwatch()
        self._wall_s = self._transaction_s = 0.0
        self._deliveries: Final[deque[bytes]] = deque()
        self._deliverer: Final = STAGE_ROLES[DELIVERED]

    @classmethod
    @asynccontextmanager
    async def opened(cls, town: Town, server: PostgresServer, name: str) -> AsyncIterator[Self]:
        """A database of its own with settlement's tables, gone afterwards."""
        url = await server.create_database(name)
        await upgrade(url, "settlement")
        database = Database(url)
        try:
            await open_books(database, town.genesis)
            books = cls(town, server, database)
            origin = Cursor(0, genesis_block_id(town.chain_id), books._chain.state.app_hash)
            async with database.transaction() as connection:
                await books._row.claim(connection, origin)
            yield books
        finally:
            await database.stop()
            await server.drop_database(name)

    async def prepare(self, contracts: int, sellers: int) -> None:
        """Fold so many contracts up to their delivery, which waits."""
        program: Any = load_program(WORKLOAD)
        stages: Iterator[list[bytes]] = program.stages(contracts, 0, program.START_MS, sellers)
        for role, transactions in zip(STAGE_ROLES[:DELIVERED], stages, strict=False):
            for at in range(0, contracts, PREPARED_PER_BLOCK):
                await self._fold(role, transactions[at : at + PREPARED_PER_BLOCK])
        self._deliveries.extend(next(stages))

    async def deliver(self, per_block: int, blocks: int) -> Run:
        """Deliver in blocks of this size, one after the other."""
        releases = per_block * blocks
        self._chain.executing, self._folding = Stopwatch(), Stopwatch()
        self._wall_s = self._transaction_s = 0.0
        server_s = server_cpu_s(self._server)
        for _ in range(blocks):
            await self.deliver_block(per_block)
        return Run(
            releases=releases,
            wall_us=self._wall_s * PER_S / releases,
            transaction_us=self._transaction_s * PER_S / releases,
            executing_us=self._chain.executing.us_per(releases),
            folding_us=self._folding.us_per(releases),
            server_us=_per_release(server_s, server_cpu_s(self._server), releases),
        )

    async def deliver_block(self, releases: int) -> None:
        """One block of deliveries, executed and folded."""
        await self._fold(self._deliverer, [self._deliveries.popleft() for _ in range(releases)])

    async def _fold(self, role: str, transactions: list[bytes]) -> None:
        parts = range(0, len(transactions), PER_BATCH)
        batches = [self._chain.seal(role, transactions[at : at + PER_BATCH]) for at in parts]
        height, began = self._chain.state.height, time.perf_counter()
        block = self._chain.grow(batches)
        executed = time.perf_counter()
        with self._folding:
            async with self._database.transaction() as connection:
                after = Cursor(block.height, block.block_id, block.app_hash)
                await self._row.advance(connection, height, after)
                await self._projection.apply(connection, block)
        ended = time.perf_counter()
        self._wall_s += ended - began
        self._transaction_s += ended - executed
        _all_well([receipt.code for receipt in block.receipts])


def _per_release(began_s: float | None, ended_s: float | None, releases: int) -> float | None:
    return None if began_s is None or ended_s is None else (ended_s - began_s) * PER_S / releases


def _all_well(codes: Sequence[str]) -> None:
    for code in codes:
        if code != OK:
            raise RuntimeError(f"a transaction of the bench was refused: {code}")


def _nobody() -> None:
    """Nobody is woken."""
