"""Batches on their way in: checked, stored, synced; only then is the replica told that they are here.

Whatever does not check is counted and ignored: anyone can write to a topic. Per producer the store takes
batches up to a window beyond the final cursor; the producer repeats what was beyond it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.ports import BatchKeeper
from consensus_node.core.batches import ALTERNATIVES_MAX, WINDOW
from consensus_node.core.inputs import BatchStored
from consensus_node.metrics import NodeMetrics
from sps.chain.batch import BadBatch, Batch, BatchHeader, check_batch, decode_batch, digest
from sps.chain.binary import Malformed
from sps.chain.header import BatchRef, ref_of

AHEAD_MAX: Final = 16_384
"""Batches of one producer stored beyond its final cursor."""
WANTED_MAX: Final = 4_096


class Lane:
    """One producer's batches that are stored and not finally ordered."""

    def __init__(self) -> None:
        self.final = 0
        self.told = 0
        """The replica was told of everything up to this sequence number."""
        self.waiting: dict[int, list[BatchHeader]] = {}


class Intake:
    """The only way into the batch store."""

    def __init__(
        self,
        chain_id: bytes,
        keys: Mapping[int, bytes],
        store: BatchKeeper,
        inbox: Inbox,
        clock: SteadyClock,
        metrics: NodeMetrics,
    ) -> None:
        self._chain_id = chain_id
        self._keys = keys
        self._store = store
        self._inbox = inbox
        self._clock = clock
        self._metrics = metrics
        self._lanes = {producer_id: Lane() for producer_id in keys}
        self._stored_ms: dict[bytes, int] = {}
        self.wanted: dict[bytes, BatchRef] = {}
        """Batches that a proposal or a final block names and that are not here."""

    def restore(self, cursors: Mapping[int, tuple[int, bytes]]) -> None:
        """At the start: take the final cursors and tell the replica of everything stored beyond them."""
        for producer_id, (seq, _) in cursors.items():
            self._lanes[producer_id].final = seq
        for name, place in self._store.stored():
            lane = self._lanes.get(place.producer_id)
            batch = self._store.batch(name) if lane is not None and place.seq > lane.final else None
            if lane is not None and batch is not None:
                lane.waiting.setdefault(place.seq, []).append(batch.header)
        for lane in self._lanes.values():
            self._tell_window(lane)

    async def accept(self, records: Sequence[bytes]) -> None:
        """Take records of the topic or of a peer; returns when the good ones are durable and told."""
        taken: list[Batch] = []
        for raw in records:
            try:
                batch = self._checked(raw)
            except (Malformed, BadBatch):
                self._metrics.refused.labels("batch").inc()
                continue
            if batch is not None:
                taken.append(batch)
                self._store.append(digest(batch.header), batch)
        if taken:
            await self._store.sync()
            for batch in taken:
                self._arrived(batch.header)

    def want(self, refs: Iterable[BatchRef]) -> None:
        """Note what is missing; what is here after all is told again."""
        for ref in refs:
            batch = self._store.batch(ref.digest)
            if batch is not None:
                self._tell(batch.header)
            elif len(self.wanted) < WANTED_MAX:
                self.wanted[ref.digest] = ref

    def ordered(self, refs: Iterable[BatchRef]) -> None:
        """These are final: their producers' windows move on."""
        now_ms = self._clock.now_ms()
        for ref in refs:
            stored_ms = self._stored_ms.pop(ref.digest, None)
            if stored_ms is not None:
                self._metrics.ordering.observe((now_ms - stored_ms) / 1000)
            lane = self._lanes.get(ref.producer_id)
            if lane is not None:
                lane.final = max(lane.final, ref.seq)
                for seq in [seq for seq in lane.waiting if seq <= lane.final]:
                    for header in lane.waiting.pop(seq):
                        self._stored_ms.pop(digest(header), None)
                self._tell_window(lane)

    def _checked(self, raw: bytes) -> Batch | None:
        """The batch when it is new, wanted and good; None when there is nothing to do with it."""
        batch = decode_batch(raw)
        header = batch.header
        name = digest(header)
        key = self._keys.get(header.producer_id)
        if key is None:
            raise BadBatch("UNKNOWN_PRODUCER", f"producer {header.producer_id} is not registered")
        if name in self._store:
            return None
        if name not in self.wanted and not self._fits(header):
            return None
        check_batch(batch, key, self._chain_id)
        return batch

    def _fits(self, header: BatchHeader) -> bool:
        lane = self._lanes[header.producer_id]
        beside = lane.waiting.get(header.seq, ())
        return lane.final < header.seq <= lane.final + AHEAD_MAX and len(beside) < ALTERNATIVES_MAX

    def _arrived(self, header: BatchHeader) -> None:
        name = digest(header)
        asked = self.wanted.pop(name, None) is not None
        lane = self._lanes[header.producer_id]
        if header.seq > lane.final:
            lane.waiting.setdefault(header.seq, []).append(header)
            self._stored_ms[name] = self._clock.now_ms()
        if asked or header.seq <= lane.told or header.seq <= lane.final + WINDOW:
            self._tell(header)
            lane.told = max(lane.told, header.seq)

    def _tell_window(self, lane: Lane) -> None:
        reach = lane.final + WINDOW
        for seq in sorted(seq for seq in lane.waiting if lane.told < seq <= reach):
            for header in lane.waiting[seq]:
                self._tell(header)
        lane.told = max(lane.told, reach)

    def _tell(self, header: BatchHeader) -> None:
        self._inbox.put(BatchStored(self._clock.now_ms(), ref_of(header), header.prev_digest))
