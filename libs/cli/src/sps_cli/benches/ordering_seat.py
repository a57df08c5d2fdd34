"""One validator's parts for the ordering bench, taken from the node as they are."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from prometheus_client import CollectorRegistry

from consensus_node.adapters.batch_store import BatchStore
from consensus_node.adapters.block_store import BlockStore
from consensus_node.adapters.disk import DiskThread
from consensus_node.adapters.wal import Wal
from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.core.config import ReplicaConfig
from consensus_node.core.durable import Record
from consensus_node.core.replica import Replica
from consensus_node.metrics import NodeMetrics
from sps.chain.committee import first_seed, leader_order
from sps.chain.genesis import Genesis, Member, Producer, Role, chain_id, genesis_bytes
from sps.signing import Signer

CREATED_MS: Final = 1_790_000_000_000
ROLES: Final[tuple[Role, ...]] = ("api", "carrier", "payment", "settlement", "operator")


class Town:
    """A genesis with the keys behind it."""

    def __init__(self, folder: Path, validators: int) -> None:
        self.folder = folder
        self.seeds = [_seed(f"validator {n}") for n in range(validators)]
        self.signers = [Signer(seed) for seed in self.seeds]
        self.producers: dict[str, tuple[int, Signer]] = {
            role: (number, Signer(_seed(role))) for number, role in enumerate(ROLES, 1)
        }
        members = (Member(f"v{n}", key.public_key.hex(), 1, "") for n, key in enumerate(self.signers))
        producers = (
            Producer(n, role, role, self.producers[role][1].public_key.hex())
            for n, role in enumerate(ROLES, 1)
        )
        self.genesis = Genesis("bench", CREATED_MS, tuple(members), tuple(producers))
        self.raw = genesis_bytes(self.genesis)
        self.chain_id = chain_id(self.raw)

    @property
    def producer(self) -> Signer:
        return self.producers["api"][1]


class Unsynced(BatchStore):
    """The batch file without its sync, which is measured apart."""

    async def sync(self) -> None:
        """The disk is not what is weighed here."""


class Shelf:
    """The three files of one validator."""

    def __init__(self, folder: Path, chain: bytes, disk: DiskThread) -> None:
        self.batches = BatchStore(folder / "batches.log", chain)
        self.unsynced = Unsynced(folder / "unsynced.log", chain)
        self.blocks = BlockStore(folder / "blocks.log", chain)
        self.wal = Wal(folder / "wal", chain, bytes(32))
        for file in (self.batches, self.unsynced, self.blocks, self.wal):
            file.open(disk)

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path, chain: bytes) -> AsyncIterator[Self]:
        """Open, and close in any case."""
        disk = DiskThread("bench-disk")
        shelf = cls(folder, chain, disk)
        try:
            yield shelf
        finally:
            await disk.stop()
            for file in (shelf.batches, shelf.unsynced, shelf.blocks, shelf.wal):
                file.close()


class _Still:
    """A clock that the bench moves."""

    def __init__(self) -> None:
        self.ms = CREATED_MS

    def now_ms(self) -> int:
        return self.ms


class BatchDesk:
    """The node's intake over the batch file."""

    def __init__(self, town: Town, shelf: Shelf) -> None:
        self._clock = _Still()
        self._inbox = Inbox()
        keys = {producer.id: producer.key for producer in town.genesis.producers}
        metrics = NodeMetrics(CollectorRegistry())
        steady = SteadyClock(self._clock)
        self.intake = Intake(town.chain_id, keys, shelf.unsynced, self._inbox, steady, metrics)

    async def accept(self, records: Sequence[bytes], now_ms: int) -> None:
        """Check, store and take what the replica would be told."""
        self._clock.ms = now_ms
        await self.intake.accept(records)
        await self._inbox.take()


class Seat:
    """One replica; seat 0 writes its records to a real log."""

    def __init__(self, town: Town, index: int) -> None:
        config = ReplicaConfig(
            chain_id=town.chain_id,
            committee=town.genesis.committee(),
            order=leader_order(first_seed(town.chain_id), len(town.signers)),
            index=index,
            parameters=town.genesis.parameters,
            genesis_time_ms=town.genesis.created_ms,
        )
        self.index = index
        self.replica = Replica(config, town.signers[index].sign)
        self.wake_ms: int | None = None
        self.height = 0

    async def remember(self, records: Sequence[Record], wal: Wal) -> None:
        if self.index == 0:
            await wal.append(records, sync=False)


def _seed(name: str) -> bytes:
    return hashlib.sha256(b"sps-bench|" + name.encode()).digest()
