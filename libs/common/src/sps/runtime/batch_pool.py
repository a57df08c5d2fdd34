"""The batches that blocks refer to, read from the producers' lanes as they are needed.

A block names its batches by digest, so whoever brings the bytes, they prove themselves; only the signature
stands outside the digest, and is checked beside it, since proofs of our own will show it. What is read ahead
of its block is kept, within bounds; what is missing on the log is fetched from validators.
"""

import asyncio
import contextlib
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from sps.chain.batch import (
    BadBatch,
    Batch,
    BatchHeader,
    Verify,
    check_batch,
    decode_batch,
    digest,
    encode_header,
)
from sps.chain.binary import Malformed
from sps.chain.genesis import Genesis
from sps.chain.header import BatchRef
from sps.eventlog.port import EventLog, LogTrouble, OffsetGone, Record
from sps.eventlog.topics import TOPICS, TRANSACTIONS
from sps.runtime.errors import Trouble
from sps.runtime.peers import BlockSource
from sps.signing import Domain
from sps.signing import verify as verify_signature

KEPT_MAX: Final = 512
"""Batches read ahead of their block; the oldest is dropped and would be fetched from a validator."""
KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
READ_RECORDS: Final = 512
"""Most records of one read. As many as are wanted, first; more when they were not the wanted ones."""
PATIENCE_S: Final = 0.5
"""How long a lane may bring nothing that is wanted before validators are asked."""
READ_WAIT_S: Final = 0.05
FETCH_AT_ONCE: Final = 4
"""Batches asked from validators at the same time."""

Cursors = Mapping[int, tuple[int, bytes]]


class BatchMissing(Trouble):
    """Neither the log nor a validator has the batch now."""


class _Search:
    """What one call looks for, what it has found, and how much it reads at once in each lane."""

    def __init__(self, refs: Sequence[BatchRef], cursors: Cursors, *, signed: bool) -> None:
        self.wanted: Final = {ref.digest: ref for ref in refs}
        self.cursors: Final = cursors
        self.signed: Final = signed
        self.found: Final[dict[bytes, Batch]] = {}
        self._widths: Final[dict[int, int]] = {}

    def lanes(self) -> list[tuple[int, int]]:
        """The lanes in which something is missing, each with the number of records to read."""
        missing = Counter(_lane(ref) for name, ref in self.wanted.items() if name not in self.found)
        return [
            (lane, min(READ_RECORDS, max(count, self._widths.get(lane, 0))))
            for lane, count in sorted(missing.items())
        ]

    def read(self, lane: int, limit: int, *, useful: bool) -> None:
        """Nothing wanted among the records: there are strangers, read more at once."""
        self._widths[lane] = 0 if useful else 2 * limit


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
        self._dropped: Final[set[int]] = set()
        """Lanes of which something was read and not kept."""
        self.refused = 0
        self.fetched = 0

    async def batches(
        self, refs: Sequence[BatchRef], cursors: Cursors, *, signed: bool = True
    ) -> dict[bytes, Batch]:
        """The batches by digest; `cursors` are the chain's, below which nothing is kept.

        Not `signed`: nobody will be shown these batches, their digests are proof enough. Raises
        `BatchMissing` when one cannot be had now; what was found is found again at the next try.
        """
        search = _Search(refs, cursors, signed=signed)
        for name in search.wanted:
            batch = self._pop(name)
            if batch is not None:
                search.found[name] = batch
        try:
            with contextlib.suppress(LogTrouble):  # the log is away: validators have it too
                await self._search_log(search)
            await self._search_peers(search)
        except BaseException:  # the lanes are read already; what was found is needed at the next try
            self._put_back(search.found)
            raise
        return search.found

    async def _search_log(self, search: _Search) -> None:
        """Read on until all is found, or for a while nothing of it came: the lane may be flooded."""
        clock = asyncio.get_running_loop()
        end, wait_s, count = clock.time() + PATIENCE_S, 0.0, len(search.found)
        while lanes := search.lanes():
            news = [await self._read(search, lane, limit, wait_s) for lane, limit in lanes]
            if len(search.found) > count:
                end, wait_s, count = clock.time() + PATIENCE_S, 0.0, len(search.found)
            elif clock.time() >= end and (wait_s or any(news)):
                return
            elif not any(news):
                wait_s = READ_WAIT_S

    async def _read(self, search: _Search, lane: int, limit: int, wait_s: float) -> bool:
        """Read on in one lane; tell whether there was something."""
        try:
            records = await self._log.read(
                TRANSACTIONS, lane, self._offsets.get(lane, 0), limit=limit, wait_s=wait_s
            )
        except OffsetGone as gone:
            self._offsets[lane] = gone.start
            return True
        before = len(search.found)
        for record in records:
            self._offsets[lane] = record.offset + 1
            self._sort(record, search)
        search.read(lane, limit, useful=len(search.found) > before)
        return bool(records)

    def _sort(self, record: Record, search: _Search) -> None:
        """Found, kept for a later block, old, or garbage."""
        try:
            batch = decode_batch(record.value)
            name = digest(batch.header)
            if name not in search.wanted:
                self._keep(name, batch, search.cursors)
            elif name not in search.found:
                search.found[name] = self._whole(batch, signed=search.signed)
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
            dropped = self._kept.popitem(last=False)[1]
            self._bytes -= len(dropped.payload)
            self._dropped.add(_lane(dropped.header))

    def _pop(self, name: bytes) -> Batch | None:
        batch = self._kept.pop(name, None)
        if batch is not None:
            self._bytes -= len(batch.payload)
        return batch

    def _put_back(self, found: Mapping[bytes, Batch]) -> None:
        for name, batch in found.items():
            self._kept[name] = batch
            self._bytes += len(batch.payload)

    async def _search_peers(self, search: _Search) -> None:
        """Fetch what is missing, a few at once; when one cannot be had, the others are kept for later."""
        missing = [name for name in search.wanted if name not in search.found]
        for at in range(0, len(missing), FETCH_AT_ONCE):
            names = missing[at : at + FETCH_AT_ONCE]
            fetched = await asyncio.gather(
                *(self._fetch(name, signed=search.signed) for name in names), return_exceptions=True
            )
            for name, batch in zip(names, fetched, strict=True):
                if isinstance(batch, Batch):
                    search.found[name] = batch
            for name, problem in zip(names, fetched, strict=True):
                if isinstance(problem, BaseException):
                    self._read_again(_lane(search.wanted[name]))
                    raise problem

    def _read_again(self, lane: int) -> None:
        """What was read too early and dropped stands on the log still."""
        if lane in self._dropped:
            self._dropped.discard(lane)
            self._offsets[lane] = 0

    async def _fetch(self, name: bytes, *, signed: bool) -> Batch:
        raw = await self._peers.batch(name)
        if raw is None:
            raise BatchMissing(f"nobody has the batch {name.hex()}")
        try:
            batch = decode_batch(raw)
            if digest(batch.header) == name:
                whole = self._whole(batch, signed=signed)
                self.fetched += 1
                return whole
        except (Malformed, BadBatch):
            pass
        self.refused += 1
        raise BatchMissing(f"a validator answered with other bytes than the batch {name.hex()}")

    def _whole(self, batch: Batch, *, signed: bool) -> Batch:
        """The digest covers the header, the header covers the payload; the signature is beside them."""
        header = batch.header
        if hashlib.sha256(batch.payload).digest() != header.payload_hash:
            raise BadBatch("BAD_PAYLOAD_HASH", "the payload is not the one that was signed")
        key = self._keys.get(header.producer_id) if signed else None
        if key is not None and not self._verify(
            key, Domain.BATCH, self._chain_id, encode_header(header), batch.signature
        ):
            raise BadBatch("BAD_SIGNATURE", "the producer did not sign this batch for this chain")
        return batch


def _lane(batch: BatchRef | BatchHeader) -> int:
    return batch.producer_id % TOPICS[TRANSACTIONS].partitions
