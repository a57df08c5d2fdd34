"""The batches that blocks refer to, read from the producers' lanes as they are needed.

A block names its batches by digest, so whoever brings the bytes, they prove themselves. What is read ahead
of its block is kept, within bounds; what is missing on the log is fetched from validators.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from sps.chain.batch import BadBatch, Batch, Verify, check_batch, decode_batch, digest
from sps.chain.binary import Malformed
from sps.chain.genesis import Genesis
from sps.chain.header import BatchRef
from sps.eventlog.port import EventLog, OffsetGone, Record
from sps.eventlog.topics import TOPICS, TRANSACTIONS
from sps.runtime.errors import Trouble
from sps.runtime.peers import BlockSource
from sps.signing import verify as verify_signature

KEPT_MAX: Final = 512
"""Batches read ahead of their block; the oldest is dropped and would be fetched from a validator."""
KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
READ_RECORDS: Final = 64
PATIENCE_S: Final = 0.5
"""How long the log may be behind a final block before validators are asked."""
READ_WAIT_S: Final = 0.05

Cursors = Mapping[int, tuple[int, bytes]]


class BatchMissing(Trouble):
    """Neither the log nor a validator has the batch now."""


class BatchPool:
    """Reads on in the lanes of registered producers; one reader."""

    def __init__(
        self,
        genesis: Genesis,
        chain_id: bytes,
        log: EventLog,
        peers: BlockSource,
        verify: Verify = verify_signature,
    ) -> None:
        self._keys: Final = {producer.id: producer.key for producer in genesis.producers}
        self._chain_id: Final = chain_id
        self._log: Final = log
        self._peers: Final = peers
        self._verify: Final = verify
        self._offsets: Final[dict[int, int]] = {}
        self._kept: Final[OrderedDict[bytes, Batch]] = OrderedDict()
        self._bytes = 0
        self.refused = 0
        self.fetched = 0

    async def batches(self, refs: Sequence[BatchRef], cursors: Cursors) -> dict[bytes, Batch]:
        """The batches by digest; `cursors` are the chain's, below which nothing is kept.

        Raises `BatchMissing` when one cannot be had now.
        """
        wanted = {ref.digest: ref for ref in refs}
        found = {name: batch for name in wanted if (batch := self._pop(name))}
        end = asyncio.get_running_loop().time() + PATIENCE_S
        wait_s = 0.0
        while len(found) < len(wanted):
            lanes = {_lane(ref) for name, ref in wanted.items() if name not in found}
            news = [await self._read(lane, wait_s, wanted, found, cursors) for lane in sorted(lanes)]
            if not any(news):
                if wait_s and asyncio.get_running_loop().time() >= end:
                    break
                wait_s = READ_WAIT_S
        try:
            for name in wanted.keys() - found.keys():
                found[name] = await self._fetch(name)
        except Trouble:  # the lanes are read already; what was found is needed at the next try
            self._put_back(found)
            raise
        return found

    async def _read(
        self,
        lane: int,
        wait_s: float,
        wanted: Mapping[bytes, BatchRef],
        found: dict[bytes, Batch],
        cursors: Cursors,
    ) -> bool:
        """Read on in one lane; tell whether there was something."""
        try:
            records = await self._log.read(
                TRANSACTIONS, lane, self._offsets.get(lane, 0), limit=READ_RECORDS, wait_s=wait_s
            )
        except OffsetGone as gone:
            self._offsets[lane] = gone.start
            return True
        for record in records:
            self._offsets[lane] = record.offset + 1
            self._sort(record, wanted, found, cursors)
        return bool(records)

    def _sort(
        self, record: Record, wanted: Mapping[bytes, BatchRef], found: dict[bytes, Batch], cursors: Cursors
    ) -> None:
        """Found, kept for a later block, old, or garbage."""
        try:
            batch = decode_batch(record.value)
            name = digest(batch.header)
            if name in wanted:
                if name not in found:
                    found[name] = _whole(batch)
                return
            self._keep(name, batch, cursors)
        except (Malformed, BadBatch):
            self.refused += 1

    def _keep(self, name: bytes, batch: Batch, cursors: Cursors) -> None:
        producer, seq = batch.header.producer_id, batch.header.seq
        if name in self._kept or seq <= cursors.get(producer, (0, b""))[0]:
            return
        key = self._keys.get(producer)
        if key is None:
            raise BadBatch("UNKNOWN_PRODUCER", f"{producer} is not registered")
        check_batch(batch, key, self._chain_id, self._verify)
        self._kept[name] = batch
        self._bytes += len(batch.payload)
        while len(self._kept) > KEPT_MAX or self._bytes > KEPT_BYTES_MAX:
            self._bytes -= len(self._kept.popitem(last=False)[1].payload)

    def _pop(self, name: bytes) -> Batch | None:
        batch = self._kept.pop(name, None)
        if batch is not None:
            self._bytes -= len(batch.payload)
        return batch

    def _put_back(self, found: Mapping[bytes, Batch]) -> None:
        for name, batch in found.items():
            self._kept[name] = batch
            self._bytes += len(batch.payload)

    async def _fetch(self, name: bytes) -> Batch:
        raw = await self._peers.batch(name)
        if raw is None:
            raise BatchMissing(f"nobody has the batch {name.hex()}")
        try:
            batch = decode_batch(raw)
            if digest(batch.header) == name:
                self.fetched += 1
                return _whole(batch)
        except (Malformed, BadBatch):
            pass
        self.refused += 1
        raise BatchMissing(f"a validator answered with other bytes than the batch {name.hex()}")


def _lane(ref: BatchRef) -> int:
    return ref.producer_id % TOPICS[TRANSACTIONS].partitions


def _whole(batch: Batch) -> Batch:
    """The digest covers the header, the header covers the payload."""
    if hashlib.sha256(batch.payload).digest() != batch.header.payload_hash:
        raise BadBatch("BAD_PAYLOAD_HASH", "the payload is not the one that was signed")
    return batch
