"""Batches on their way in: checked, stored, synced; only then is the replica told that they are here.

Whatever does not check is counted and ignored: anyone can write to a topic. Per producer the store takes
batches up to a window beyond the final cursor; the producer repeats what was beyond it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.ports import BatchKeeper
from consensus_node.core.batches import ALTERNATIVES_MAX, WINDOW
from consensus_node.core.inputs import BatchStored
from consensus_node.metrics import NodeMetrics
from sps.chain.batch import BadBatch, Batch, BatchHeader, check_batch, decode_batch, digest
from sps.chain.binary import Malformed
from sps.chain.header import BatchRef, ref_of
from sps.runtime.logs import get_logger

AHEAD_MAX: Final = 16_384
"""Batches of one producer stored beyond its final cursor."""
WANTED_MAX: Final = 4_096
ORDERED_KEPT: Final = 1_024
"""Of each producer so many ordered batches are known by digest, to tell a second one with the same number."""
BREATH: Final = 16
"""Batches that are checked before the loop may do something else: about a millisecond."""


class Lane:
    """One producer's batches that are stored and not finally ordered."""

    def __init__(self) -> None:
        self.final = 0
        self.told = 0
        """The replica was told of everything up to this sequence number."""
        self.waiting: dict[int, list[BatchHeader]] = {}
        self.names: dict[int, list[bytes]] = {}
        """Digests by number: of what is stored beyond the final cursor, and of what was ordered last."""

    def takes(self, seq: int) -> bool:
        """Within reach, and not one alternative too many."""
        beside = self.names.get(seq, ())
        return self.final < seq <= self.final + AHEAD_MAX and len(beside) < ALTERNATIVES_MAX

    def order(self, seq: int, name: bytes) -> None:
        """This one counts; the oldest known number is forgotten."""
        self.final = max(self.final, seq)
        self.names[seq] = [name]
        self.names.pop(seq - ORDERED_KEPT, None)


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
        self._log = get_logger("consensus-node")
        self._stored_ms: dict[bytes, int] = {}
        self._found: Callable[[], None] = lambda: None
        self.wanted: dict[bytes, BatchRef] = {}
        """Batches that a proposal or a final block names and that are not here; asked for last, last."""

    @property
    def producers(self) -> tuple[int, ...]:
        """Whose batches are taken."""
        return tuple(self._lanes)

    def has(self, name: bytes) -> bool:
        """The batch with this digest was good and is stored."""
        return name in self._store

    def when_found(self, found: Callable[[], None]) -> None:
        """Call this whenever a batch that was wanted is here."""
        self._found = found

    def restore(self, cursors: Mapping[int, tuple[int, bytes]]) -> None:
        """At the start: take the final cursors and tell the replica of everything stored beyond them."""
        for producer_id, (seq, name) in cursors.items():
            self._lanes[producer_id].order(seq, name)
        for name, place in self._store.stored():
            lane = self._lanes.get(place.producer_id)
            batch = self._store.batch(name) if lane is not None and place.seq > lane.final else None
            if lane is not None and batch is not None:
                lane.waiting.setdefault(place.seq, []).append(batch.header)
                lane.names.setdefault(place.seq, []).append(name)
        for lane in self._lanes.values():
            self._tell_window(lane)

    async def accept(self, records: Sequence[bytes]) -> None:
        """Take records of the topic or of a peer; returns when the good ones are durable and told."""
        taken: list[Batch] = []
        for number, raw in enumerate(records, 1):
            if not number % BREATH:
                await asyncio.sleep(0)
            try:
                batch = self._checked(raw)
            except (Malformed, BadBatch):
                self._metrics.refused.labels("batch").inc()
                continue
            if batch is not None:
                taken.append(batch)
                self._take(batch)
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
                continue
            self.wanted.pop(ref.digest, None)
            self.wanted[ref.digest] = ref
            if len(self.wanted) > WANTED_MAX:  # somebody proposes what nobody has
                del self.wanted[next(iter(self.wanted))]

    def ordered(self, refs: Iterable[BatchRef]) -> None:
        """These are final: their producers' windows move on."""
        now_ms = self._clock.now_ms()
        for ref in refs:
            stored_ms = self._stored_ms.pop(ref.digest, None)
            if stored_ms is not None:
                self._metrics.ordering.observe((now_ms - stored_ms) / 1000)
            lane = self._lanes.get(ref.producer_id)
            if lane is not None:
                lane.order(ref.seq, ref.digest)
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
        lane = self._lanes[header.producer_id]
        others = lane.names.get(header.seq)
        fits = name in self.wanted or lane.takes(header.seq)
        if not fits and not others:
            return None
        check_batch(batch, key, self._chain_id)
        if others and name not in others and len(others) < ALTERNATIVES_MAX:
            self._two_of_one_number(header)
            if not fits:
                others.append(name)
        return batch if fits else None

    def _two_of_one_number(self, header: BatchHeader) -> None:
        """E4: whoever holds the producer's key signs two things under one number. One is ordered at most."""
        self._metrics.evidence.labels("E4").inc()
        self._log.error("consensus.evidence", kind="E4", producer=header.producer_id, seq=header.seq)

    def _take(self, batch: Batch) -> None:
        header, name = batch.header, digest(batch.header)
        self._store.append(name, batch)
        if header.seq > self._lanes[header.producer_id].final:
            self._lanes[header.producer_id].names.setdefault(header.seq, []).append(name)

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
        if asked:
            self._found()

    def _tell_window(self, lane: Lane) -> None:
        reach = lane.final + WINDOW
        for seq in sorted(seq for seq in lane.waiting if lane.told < seq <= reach):
            for header in lane.waiting[seq]:
                self._tell(header)
        lane.told = max(lane.told, reach)

    def _tell(self, header: BatchHeader) -> None:
        self._inbox.put(BatchStored(self._clock.now_ms(), ref_of(header), header.prev_digest))
