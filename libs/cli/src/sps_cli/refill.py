"""`sps chain refill`: puts final blocks and their batches back on an event log that has lost them.

They come from validators' stores, and nothing that a validator says is believed: blocks are proved by their
certificates, batches by their digests and signatures. What the log holds already is left alone, so the
command may be repeated, and may run while the chain goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from sps.chain.batch import BadBatch, Batch, decode_batch, digest, encode_batch
from sps.chain.binary import Malformed
from sps.chain.block import encode_committed
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.chain.header import height_of
from sps.eventlog.address import open_log
from sps.eventlog.kafka_security import KafkaSecurity
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import EventLog, LogTrouble, NewRecord
from sps.eventlog.topics import BLOCKS, TOPICS, TRANSACTIONS
from sps.runtime.batch_pool import BatchPool
from sps.runtime.block_reader import BlockReader, Proved
from sps.runtime.errors import Refusal
from sps.runtime.genesis_file import genesis_of
from sps.runtime.going_again import bounded
from sps.runtime.peers import BlockSource, Peers

READ_RECORDS: Final = 500
BLOCKS_AT_ONCE: Final = 256
APPEND_BYTES_MAX: Final = 768 * 1024
"""Records appended in one call; at least one."""
PASSES_MAX: Final = 5
"""How often the log is looked through again: after trouble, and until a pass finds nothing missing."""
KEY_BYTES: Final = 8

Told = Callable[[str], None]


class Refilled(Struct, frozen=True):
    """What came of it: the newest final height, and how many records were missing on the log."""

    height: int
    blocks: int
    batches: int


class Refill:
    """`source` gives blocks and batches, `log` is what they are put on.

    An empty broker gives the numbers of producers out from 0 again, and may take a batch of ours for one of a
    process that lives on: refused, or acknowledged and not written. So what counts is another look.
    """

    def __init__(self, genesis: Genesis, log: EventLog, source: BlockSource) -> None:
        self._genesis: Final = genesis
        self._chain: Final = chain_id(genesis_bytes(genesis))
        self._log: Final = log
        self._source: Final = source
        self._heights: set[int] = set()
        self._digests: set[bytes] = set()
        self._blocks = self._batches = 0

    async def run(self, told: Told = lambda _: None) -> Refilled:
        """Raises `Refusal` NO_BLOCKS when no validator gives a block, `LogTrouble` when the log is away."""
        height = 0
        for left in reversed(range(PASSES_MAX)):
            before = self._blocks, self._batches
            try:
                height = await self._pass(told)
            except LogTrouble as trouble:
                if not left:
                    raise
                told(f"{trouble}; looking at what the log holds now")
                continue
            if before == (self._blocks, self._batches):
                break
        return Refilled(height, self._blocks, self._batches)

    async def _pass(self, told: Told) -> int:
        """Put back what a look finds missing; the newest final height."""
        await self._look(told)
        nowhere = MemoryLog()
        await nowhere.start()
        reader = BlockReader(self._genesis, nowhere, self._source)
        pool = BatchPool(self._genesis, self._chain, nowhere, self._source)
        height = 0
        while blocks := await _next(reader):
            while blocks:
                group = bounded(blocks)
                await self._put(group, pool)
                del blocks[: len(group)]
                height = group[-1][1].header.height
            told(f"height {height}: {self._blocks} blocks and {self._batches} batches put back")
        if not height:
            raise Refusal("NO_BLOCKS", "no validator gave a block; are their addresses right, do they run?")
        return height

    async def _look(self, told: Told) -> None:
        """What the log holds already. Rubbish that others wrote does not count."""
        async for raw in self._records(BLOCKS, 0):
            try:
                self._heights.add(height_of(raw))
            except Malformed:
                continue
        for lane in sorted({each.id % TOPICS[TRANSACTIONS].partitions for each in self._genesis.producers}):
            async for raw in self._records(TRANSACTIONS, lane):
                try:
                    self._digests.add(digest(decode_batch(raw).header))
                except (Malformed, BadBatch):
                    continue
        told(f"the log holds {len(self._heights)} blocks and {len(self._digests)} batches")

    async def _records(self, topic: str, partition: int) -> AsyncIterator[bytes]:
        at, end = await self._log.bounds(topic, partition)
        while at < end:
            records = await self._log.read(topic, partition, at, limit=READ_RECORDS)
            if not records:
                return
            for record in records:
                yield record.value
            at = records[-1].offset + 1

    async def _put(self, blocks: Sequence[Proved], pool: BatchPool) -> None:
        """Batches first, as they came the first time."""
        missing = [each for _, each in blocks if each.header.height not in self._heights]
        refs = [ref for _, each in blocks for ref in each.refs if ref.digest not in self._digests]
        batches = await pool.batches(refs, {}) if refs else {}
        lanes: dict[int, list[NewRecord]] = {}
        for ref in refs:
            record = _of_batch(batches[ref.digest])
            lanes.setdefault(ref.producer_id % TOPICS[TRANSACTIONS].partitions, []).append(record)
        for lane, records in lanes.items():
            await self._append(TRANSACTIONS, lane, records)
        key = [each.header.height.to_bytes(KEY_BYTES, "big") for each in missing]
        values = [encode_committed(each) for each in missing]
        await self._append(BLOCKS, 0, list(map(NewRecord, key, values)))
        self._blocks += len(missing)
        self._batches += len(refs)

    async def _append(self, topic: str, partition: int, records: list[NewRecord]) -> None:
        while records:
            count, size = 1, len(records[0].value)
            while count < len(records) and size + len(records[count].value) <= APPEND_BYTES_MAX:
                size += len(records[count].value)
                count += 1
            await self._log.append(topic, partition, records[:count])
            del records[:count]


async def _next(reader: BlockReader) -> list[Proved]:
    """The next proved blocks; [] at the end of what validators have."""
    while not (blocks := await reader.next(BLOCKS_AT_ONCE)):
        if reader.at_end:
            break
    return blocks


def _of_batch(batch: Batch) -> NewRecord:
    return NewRecord(batch.header.producer_id.to_bytes(KEY_BYTES, "big"), encode_batch(batch))


def run(genesis: Path, event_log: str, urls: Sequence[str], security: KafkaSecurity) -> int:
    """The command; the exit code."""
    done = asyncio.run(_refilled(genesis_of(genesis), event_log, urls, security))
    print(f"height {done.height}: put back {done.blocks} blocks and {done.batches} batches")
    return 0


async def _refilled(genesis: Genesis, address: str, urls: Sequence[str], security: KafkaSecurity) -> Refilled:
    log = open_log(address, security)
    peers = Peers(urls or [member.url for member in genesis.validators])
    try:
        await log.start()
        return await Refill(genesis, log, peers).run(print)
    except LogTrouble as trouble:
        raise Refusal("EVENT_LOG_TROUBLE", f"{trouble}; what is put back stays, repeat it") from trouble
    finally:
        await log.stop()
        await peers.stop()
