"""Blocks above the final one, by id, and the final chain's newest headers.

A block is *linked* when all its ancestors down to the final tip are here; then its cursors are known.
"""

from collections.abc import Iterable, Iterator, Mapping

from consensus_node.core.config import HEADERS_KEPT_MAX
from sps.chain.header import FLAG_DRAIN, FLAG_TIMER, BatchRef, Header

Cursors = Mapping[int, tuple[int, bytes]]
"""Producer -> (newest ordered seq, its digest)."""

Trail = tuple[tuple[int, bool], ...]
"""The newest heights that execute anything (no drain does), oldest first: (height, may have results)."""


class Block:
    """One block; `signature` is its leader's NOTARIZE, empty when it was learned as committed."""

    __slots__ = ("cursors", "header", "id", "refs", "signature", "trail")

    def __init__(self, block_id: bytes, header: Header, refs: tuple[BatchRef, ...], signature: bytes) -> None:
        self.id = block_id
        self.header = header
        self.refs = refs
        self.signature = signature
        self.cursors: Cursors | None = None
        self.trail: Trail = ()

    @property
    def view(self) -> int:
        return self.header.view

    @property
    def height(self) -> int:
        return self.header.height


def extend_trail(trail: Trail, header: Header, lag: int) -> Trail:
    """The trail after one more block; `lag` entries are enough to know whose result the next one carries."""
    if header.flags & FLAG_DRAIN:
        return trail
    return (*trail, (header.height, header.batch_count > 0 or bool(header.flags & FLAG_TIMER)))[-lag:]


def next_exec_height(trail: Trail, lag: int) -> int:
    """Whose result the next ordinary block carries: of `lag` executing heights ago, 0 at the beginning."""
    return trail[0][0] if len(trail) == lag else 0


class Tree:
    """Grows by `add`, is cut by `advance`. Everything in it lies above the final tip, except the tip."""

    def __init__(self, tip: Block, lag: int) -> None:
        self.tip = tip
        self._lag = lag
        self._blocks: dict[bytes, Block] = {}
        self._final_ids: dict[int, bytes] = {tip.height: tip.id}

    def __len__(self) -> int:
        return len(self._blocks)

    def get(self, block_id: bytes) -> Block | None:
        return self.tip if block_id == self.tip.id else self._blocks.get(block_id)

    def add(self, block: Block) -> None:
        if block.view > self.tip.view:
            self._blocks.setdefault(block.id, block)

    def discard(self, ids: Iterable[bytes]) -> None:
        """Blocks that nobody can build on any more."""
        for identity in ids:
            self._blocks.pop(identity, None)

    def linked(self, block_id: bytes) -> Block | None:
        """The block, with its cursors worked out, when all its ancestors are here."""
        chain: list[Block] = []
        block = self.get(block_id)
        while block is not None and block.cursors is None:
            chain.append(block)
            block = self.get(block.header.parent_id)
        if block is None:
            return None
        for child in reversed(chain):
            cursors = dict(block.cursors or {})
            cursors.update((ref.producer_id, (ref.seq, ref.digest)) for ref in child.refs)
            child.cursors = cursors
            child.trail = extend_trail(block.trail, child.header, self._lag)
            block = child
        return block

    def ancestors(self, block: Block) -> Iterator[Block]:
        """The block and those below it, newest first, without the final tip; ends where one is missing."""
        at: Block | None = block
        while at is not None and at.view > self.tip.view:
            yield at
            at = self.get(at.header.parent_id)

    def advance(self, block: Block) -> None:
        """A child of the tip became final: it is the tip now; what is not above it goes."""
        self.linked(block.id)
        self.tip = block
        self._final_ids[block.height] = block.id
        self._final_ids.pop(block.height - HEADERS_KEPT_MAX, None)
        self._blocks = {i: b for i, b in self._blocks.items() if b.view > block.view}

    def final_id(self, height: int) -> bytes | None:
        """The id of the final block at a height, if it is still remembered."""
        return self._final_ids.get(height)

    def remember(self, height: int, block_id: bytes) -> None:
        """At the start: an older final block."""
        self._final_ids[height] = block_id
