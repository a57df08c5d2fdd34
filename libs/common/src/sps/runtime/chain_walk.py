"""Final blocks in order of their height, out of whatever a bulletin board or a stranger brings.

A block counts when a certificate of the committee proves it, or when it is an ancestor of one that counts
(a header names its parent by hash). So garbage, repeats and any order are harmless, and a gap is seen by
height. While a follower goes again over what it has already projected, only every `STRIDE`th certificate is
checked, and the last block by its stored id; the hash chain proves the rest.
"""

from collections import OrderedDict, deque
from typing import Final

from sps.chain.batch import Verify
from sps.chain.binary import Malformed
from sps.chain.block import BadBlock, Committed, check_refs, decode_named, verify_committed
from sps.chain.committee import Committee
from sps.runtime.errors import Defect
from sps.signing import verify as verify_signature

STRIDE: Final = 256
AHEAD_MAX: Final = 1_024
"""Heights above the tip that are kept; what is higher only tells how far the chain is."""
CANDIDATES_PER_HEIGHT: Final = 4
KNOWN_MAX: Final = 1_024
"""Recent heights at which a second final block would be recognised."""


class Fork(Defect):
    """Two final blocks contradict each other: more than a third of the committee lies. Nothing may go on."""


class ChainWalk:
    """Pure bookkeeping: `offer` records, `take` linked final blocks."""

    def __init__(
        self,
        committee: Committee,
        chain_id: bytes,
        start_id: bytes,
        *,
        projected: tuple[int, bytes] = (0, b""),
        verify: Verify = verify_signature,
    ) -> None:
        self._committee: Final = committee
        self._chain_id: Final = chain_id
        self._projected: Final = projected
        self._verify: Final = verify
        self._tip_id = start_id
        self.tip = 0
        """Height of the newest block that is linked."""
        self.best = projected[0]
        """The highest height that is known to be final."""
        self.refused = 0
        self.passed_over = False
        """Blocks too far above the tip were not kept: whoever reads has to read them again."""
        self._ready: deque[tuple[bytes, Committed]] = deque()
        self._candidates: dict[bytes, Committed] = {}
        self._at_height: dict[int, list[bytes]] = {}
        self._proved: dict[int, bytes] = {}
        self._known: OrderedDict[int, bytes] = OrderedDict()

    def offer(self, raw: bytes, *, prove: bool = False) -> bool:
        """Take a record from anywhere; False when it proves nothing. Raises `Fork`.

        `prove` checks its own certificate even where a later block would prove it.
        """
        try:
            name, committed = decode_named(raw)
            self._consider(name, committed, prove=prove)
        except (Malformed, BadBlock):
            self.refused += 1
            return False
        return True

    def take(self, limit: int) -> list[tuple[bytes, Committed]]:
        """The next linked blocks with their ids, in order, at most `limit`."""
        return [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]

    def gap(self) -> tuple[int, int] | None:
        """The first missing height and the last that is needed; None when nothing is known to be missing."""
        last = min(self._proved, default=self.best)
        if last <= self.tip:
            return None
        wanted = range(self.tip + 1, min(last, self.tip + AHEAD_MAX) + 1)
        return next((height for height in wanted if height not in self._at_height), self.tip + 1), last

    def _consider(self, name: bytes, committed: Committed, *, prove: bool) -> None:
        height = committed.header.height
        if height <= self.tip:
            self._check_old(height, name, committed)
        elif self._proved.get(height) != name:
            self._consider_new(height, name, committed, prove=prove)

    def _check_old(self, height: int, name: bytes, committed: Committed) -> None:
        if self._known.get(height, name) == name:
            return
        self._prove(committed)
        raise Fork(f"two final blocks at height {height}: {name.hex()} and {self._known[height].hex()}")

    def _consider_new(self, height: int, name: bytes, committed: Committed, *, prove: bool) -> None:
        if height > self.tip + AHEAD_MAX:
            self.passed_over = True
            if height > self.best:
                self._prove(committed)
                self.best = height
            return
        if not prove and self._is_taken_on_trust(height):
            self._keep(height, name, committed)
            return
        if (height, name) == self._projected:
            check_refs(committed.header, committed.refs)
        else:
            self._prove(committed)
        self._keep_proved(height, name, committed)

    def _is_taken_on_trust(self, height: int) -> bool:
        """Below what is projected already a later block will prove it."""
        return height < self._projected[0] and height % STRIDE != 0

    def _prove(self, committed: Committed) -> None:
        verify_committed(committed, self._committee, self._chain_id, self._verify)

    def _keep(self, height: int, name: bytes, committed: Committed) -> None:
        check_refs(committed.header, committed.refs)
        names = self._at_height.setdefault(height, [])
        if name in names:
            return
        if len(names) >= CANDIDATES_PER_HEIGHT:  # somebody floods this height; only a proof gets in now
            self._prove(committed)
            del self._candidates[names.pop(0)]
        names.append(name)
        self._candidates[name] = committed
        self._link()

    def _keep_proved(self, height: int, name: bytes, committed: Committed) -> None:
        other = self._proved.get(height)
        if other is not None:
            raise Fork(f"two final blocks at height {height}: {name.hex()} and {other.hex()}")
        self._proved[height] = name
        self._candidates[name] = committed
        names = self._at_height.setdefault(height, [])
        if name not in names:
            names.append(name)
        self.best = max(self.best, height)
        self._link()

    def _link(self) -> None:
        """Walk back from the lowest proved block to the tip; what lies on the way is final."""
        while self._proved:
            path = self._path_to_tip(min(self._proved))
            if not path:
                return
            for name, committed in reversed(path):
                self._advance(name, committed)

    def _path_to_tip(self, height: int) -> list[tuple[bytes, Committed]]:
        name = self._proved[height]
        path: list[tuple[bytes, Committed]] = []
        while (committed := self._candidates.get(name)) is not None:
            path.append((name, committed))
            name = committed.header.parent_id
            if committed.header.height != height - len(path) + 1:
                raise Fork(f"the ancestors of the final block at height {height} do not count down by one")
            if committed.header.height == self.tip + 1:
                if name != self._tip_id:
                    raise Fork(f"the final block at height {self.tip + 1} does not follow the one before it")
                return path
        return []

    def _advance(self, name: bytes, committed: Committed) -> None:
        self.tip, self._tip_id = committed.header.height, name
        for loser in self._at_height.pop(self.tip, ()):
            del self._candidates[loser]
        self._proved.pop(self.tip, None)
        self._known[self.tip] = name
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        self._ready.append((name, committed))
