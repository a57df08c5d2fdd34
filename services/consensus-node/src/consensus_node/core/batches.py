"""Which batches are stored here and not yet finally ordered, per producer and sequence number.

Two batches with one (producer, seq) may both be here: the one that is ordered first counts.
"""

import itertools
from collections.abc import Iterable

from msgspec import Struct

from consensus_node.core.config import UNORDERED_PER_PRODUCER_MAX
from consensus_node.core.tree import Cursors
from sps.chain.batch import FIRST_PREV_DIGEST
from sps.chain.header import BLOCK_BYTES_MAX, REFS_MAX, BatchRef

ALTERNATIVES_MAX = 2
"""Batches kept for one (producer, seq); a third is kept only when a proposal names it."""
WINDOW = 2 * UNORDERED_PER_PRODUCER_MAX
"""Beyond the final cursor: what is ordered and not yet final, and the producer's own window."""
START = (0, FIRST_PREV_DIGEST)
"""The cursor of a producer of whom nothing is ordered."""


class Stored(Struct, frozen=True):
    """A stored batch; `arrival` counts up."""

    ref: BatchRef
    prev_digest: bytes
    arrival: int


class BatchIndex:
    """Filled by `BatchStored`, emptied as cursors become final."""

    def __init__(self) -> None:
        self._lanes: dict[int, dict[int, list[Stored]]] = {}
        self._by_digest: dict[bytes, Stored] = {}
        self._final: Cursors = {}
        self._arrivals = itertools.count()
        self.wanted: set[bytes] = set()
        """Digests that a proposal named and that were missing."""

    def add(self, ref: BatchRef, prev_digest: bytes) -> bool:
        """Note a stored batch; False when it is known, ordered already or beyond the window."""
        last, _ = self._final.get(ref.producer_id, START)
        asked = ref.digest in self.wanted
        if ref.digest in self._by_digest or ref.seq <= last or (ref.seq > last + WINDOW and not asked):
            return False
        here = self._lanes.setdefault(ref.producer_id, {}).setdefault(ref.seq, [])
        if len(here) >= ALTERNATIVES_MAX and not asked:
            return False
        stored = Stored(ref, prev_digest, next(self._arrivals))
        here.append(stored)
        self._by_digest[ref.digest] = stored
        self.wanted.discard(ref.digest)
        return True

    def stored(self, digest: bytes) -> Stored | None:
        return self._by_digest.get(digest)

    def missing(self, refs: Iterable[BatchRef]) -> tuple[BatchRef, ...]:
        """Those that are neither stored nor finally ordered already."""
        final = self._final
        return tuple(
            ref
            for ref in refs
            if ref.digest not in self._by_digest and ref.seq > final.get(ref.producer_id, START)[0]
        )

    def next_of(self, producer_id: int, cursor: tuple[int, bytes]) -> Stored | None:
        """The stored batch that continues a producer's chain at this cursor."""
        seq, digest = cursor
        here = self._lanes.get(producer_id, {}).get(seq + 1, ())
        return next((stored for stored in here if stored.prev_digest == digest), None)

    def any_after(self, cursors: Cursors) -> bool:
        """Whether there is an unordered batch that can be ordered now."""
        return any(self.next_of(p, cursors.get(p, START)) is not None for p in self._lanes)

    def select(self, cursors: Cursors) -> tuple[BatchRef, ...]:
        """R2: contiguous continuation of every producer's cursor, oldest first, within the block's bounds."""
        heads = {p: self.next_of(p, cursors.get(p, START)) for p in self._lanes}
        chosen: list[BatchRef] = []
        size = 0
        while len(chosen) < REFS_MAX:
            ready = [stored for stored in heads.values() if stored is not None]
            if not ready:
                break
            oldest = min(ready, key=lambda stored: stored.arrival)
            ref = oldest.ref
            size += ref.payload_len
            if size > BLOCK_BYTES_MAX:
                break
            chosen.append(ref)
            heads[ref.producer_id] = self.next_of(ref.producer_id, (ref.seq, ref.digest))
        return tuple(chosen)

    def forget_ordered(self, cursors: Cursors) -> None:
        """These cursors are final: batches at or below them need no place any more."""
        self._final = cursors
        for producer, lane in self._lanes.items():
            last, _ = cursors.get(producer, START)
            for seq in [seq for seq in lane if seq <= last]:
                for stored in lane.pop(seq):
                    self._by_digest.pop(stored.ref.digest, None)
        self.wanted.clear()
