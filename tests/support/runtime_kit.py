"""A chain that is really executed, a service's database, validators that answer, and crashes on order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chain_kit import PRODUCERS, SETTLEMENT, ChainKit
from chain_story import rates
from sqlalchemy import BigInteger, Column, LargeBinary, Table, insert, select

from sps.chain.batch import Batch, decode_batch, digest, encode_batch
from sps.chain.block import Committed, encode_committed
from sps.chain.execution import execute, new_state
from sps.eventlog.memory import MemoryLog, MemoryStore
from sps.eventlog.port import NewRecord
from sps.eventlog.topics import BLOCKS, TRANSACTIONS
from sps.runtime.database import Database
from sps.runtime.follower import Follower
from sps.runtime.lifecycle import Supervisor
from sps.runtime.projection import ExecutedBlock
from sps.runtime.tables import service_metadata

IDS = {name: number for number, (name, _) in enumerate(PRODUCERS, 1)}
METADATA = service_metadata()
SEEN = Table(
    "seen",
    METADATA,
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("app_hash", LargeBinary(32), nullable=False),
)


class Crash(Exception):
    """The process ends here."""


def crash_at(step: str, occurrence: int = 1) -> Callable[[str], None]:
    """A probe that ends the process when a step is reached for the nth time."""
    count = 0

    def probe(name: str) -> None:
        nonlocal count
        count += name == step
        if name == step and count == occurrence:
            raise Crash(step)

    return probe


class ExecutedChain:
    """Blocks whose headers carry the true results; `publish` puts them and their batches on a log."""

    def __init__(self) -> None:
        self.kit = ChainKit()
        self.genesis = self.kit.genesis
        self.state = new_state(self.genesis)
        self.app_hashes = {0: self.state.app_hash}
        self.records: dict[int, bytes] = {}
        self.batch_records: dict[bytes, bytes] = {}
        self._number = 10
        self._note()

    @property
    def height(self) -> int:
        return self.kit.height

    def batch(self) -> Batch:
        """A batch of settlement with one fact about no contract."""
        self._number += 1
        return self.kit.batch(SETTLEMENT, [rates(self._number)])

    def block(self, batches: Sequence[Batch] | None = None, **changes: Any) -> Committed:
        """The next block, by default with a batch in every second one."""
        if batches is None:
            batches = [self.batch()] if self.height % 2 else []
        made = self.kit.block(batches, **changes)
        execute(self.state, made.header, made.refs, batches)
        self._note()
        self.records[self.height] = encode_committed(made)
        for batch in batches:
            self.batch_records[digest(batch.header)] = encode_batch(batch)
        return made

    def grow(self, blocks: int) -> None:
        for _ in range(blocks):
            self.block()

    def _note(self) -> None:
        result = self.state.result_of(self.state.height)
        self.kit.result(result.height, result.app_hash, result.results_root)
        self.app_hashes[result.height] = result.app_hash

    async def publish(self, log: MemoryLog, first: int = 1, last: int | None = None) -> None:
        for height in range(first, (last or self.height) + 1):
            for batch in self.kit.batches[height]:
                await put_batch(log, encode_batch(batch))
            await put_block(log, self.records[height])


async def put_block(log: MemoryLog, record: bytes) -> None:
    await log.append(BLOCKS, 0, [NewRecord(b"", record)])


async def put_batch(log: MemoryLog, record: bytes) -> None:
    await log.append(TRANSACTIONS, int.from_bytes(record[:8], "big") % 12, [NewRecord(b"", record)])


async def batches_on(log: MemoryLog, producer: str) -> list[Batch]:
    """All records of a producer's lane."""
    records = await log.read(TRANSACTIONS, IDS[producer] % 12, 0, limit=500)
    return [decode_batch(record.value) for record in records]


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again, for at most a few seconds."""
    for _ in range(2_500):
        if await check():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not happen")


async def new_log(store: MemoryStore | None = None) -> MemoryLog:
    log = MemoryLog(store)
    await log.start()
    return log


class KnowingPeers:
    """Validators that have the whole chain."""

    def __init__(self, chain: ExecutedChain) -> None:
        self._chain = chain
        self.asked: list[int | bytes] = []

    async def blocks(self, first: int, limit: int) -> list[bytes]:
        self.asked.append(first)
        return [self._chain.records[h] for h in range(first, first + limit) if h in self._chain.records]

    async def batch(self, name: bytes) -> bytes | None:
        self.asked.append(name)
        return self._chain.batch_records.get(name)

    async def stop(self) -> None:
        pass


class SilentPeers:
    """Validators that cannot be reached."""

    async def blocks(self, first: int, limit: int) -> list[bytes]:
        return []

    async def batch(self, digest: bytes) -> bytes | None:
        return None

    async def stop(self) -> None:
        pass


class SeenProjection:
    """One row per block; a block that comes twice breaks the primary key."""

    async def apply(self, connection: Any, block: ExecutedBlock) -> None:
        assert block.state.height == block.height, "the state is the one after this very block"
        await connection.execute(insert(SEEN).values(height=block.height, app_hash=block.state.app_hash))


async def new_database(url: str) -> Database:
    """A database with the tables of this kit and nothing in them, whatever was there."""
    database = Database(url)
    async with database.transaction() as connection:
        await connection.run_sync(METADATA.drop_all)
        await connection.run_sync(METADATA.create_all)
    return database


async def seen(database: Database) -> dict[int, bytes]:
    async with database.reading() as connection:
        rows = (await connection.execute(select(SEEN).order_by(SEEN.c.height))).all()
    return {row.height: row.app_hash for row in rows}


class Running:
    """A follower under its supervisor: `async with Running(…) as follower`."""

    def __init__(self, chain: ExecutedChain, log: Any, database: Database, **options: Any) -> None:
        options = {"projection": SeenProjection(), "peers": SilentPeers(), "service": "test", **options}
        self.supervisor = Supervisor("test")
        self.follower = Follower(chain.genesis, log, database, **options)

    async def __aenter__(self) -> Follower:
        try:
            await asyncio.wait_for(self.follower.start(self.supervisor), 5)
        except BaseException:
            await self.supervisor.stop()
            raise
        return self.follower

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop()
        await self.follower.stop()

    async def defect(self) -> Exception:
        await asyncio.wait_for(self.supervisor.failed(), 5)
        assert self.supervisor.defect is not None
        return self.supervisor.defect
