"""What executing final heights gave, as far as headers still have to repeat it, and the next deadline."""

from msgspec import Struct

from consensus_node.core.inputs import Executed
from consensus_node.core.tree import Block
from sps.chain.header import FLAG_DRAIN, Header


class Outcome(Struct, frozen=True):
    """Of one height: what the header that carries it must say."""

    app_hash: bytes
    results_root: bytes


class Results:
    """Filled by `Executed`, cut as final headers repeat the results."""

    def __init__(self) -> None:
        self._outcomes: dict[int, Outcome] = {}
        self._changed: set[int] = set()
        self._announced: dict[int, Outcome] = {}
        self._expected: dict[int, tuple[bool, int]] = {}
        """Final and not executed yet: height -> (has batches, time_ms)."""
        self.height = -1
        """Newest executed height; -1 before the shell has said anything."""
        self.next_deadline_ms: int | None = None

    def add(self, executed: Executed) -> bool:
        """Note a result; False when a final header had announced another one: this replica is wrong."""
        outcome = Outcome(executed.app_hash, executed.results_root)
        self._outcomes[executed.height] = outcome
        if executed.changed:
            self._changed.add(executed.height)
        if executed.height >= self.height:
            self.height = executed.height
            self.next_deadline_ms = executed.next_deadline_ms
            self._expected = {h: e for h, e in self._expected.items() if h > executed.height}
        return self._announced.get(executed.height, outcome) == outcome

    def get(self, height: int) -> Outcome | None:
        return self._outcomes.get(height)

    def announce(self, block: Block) -> bool:
        """A quorum certified this header; False when our own result of the height it repeats differs."""
        header = block.header
        said = Outcome(header.app_hash, header.results_root)
        self._announced[header.exec_height] = said
        return self._outcomes.get(header.exec_height, said) == said

    def has_results(self, block: Block) -> bool:
        """Whether the height has, or may still turn out to have, something that a header must repeat."""
        if block.height <= self.height:
            return block.height in self._changed
        return bool(block.refs) or self.fires_in(block)

    def fires_in(self, block: Block) -> bool:
        """Whether the block, not executed yet, fires the oldest deadline known."""
        due = self.next_deadline_ms
        if due is None or block.header.flags & FLAG_DRAIN:
            return False
        return block.height > self.height and due <= block.header.time_ms

    def expect(self, header: Header) -> None:
        """The height became final and will be executed."""
        if header.height > self.height and not header.flags & FLAG_DRAIN:
            self._expected[header.height] = (header.batch_count > 0, header.time_ms)

    def fires_soon(self) -> bool:
        """Whether a final block that is not executed yet fires the oldest deadline known."""
        due = self.next_deadline_ms
        return due is not None and any(due <= time_ms for _, time_ms in self._expected.values())

    def trail_above(self, height: int) -> bool:
        """Whether a final height above this one has results, or may turn out to have some."""
        due = self.next_deadline_ms
        return any(h > height for h in self._changed) or any(
            h > height and (busy or (due is not None and due <= time_ms))
            for h, (busy, time_ms) in self._expected.items()
        )

    def forget_below(self, height: int) -> None:
        """Final headers have repeated everything up to this height."""
        self._outcomes = {h: o for h, o in self._outcomes.items() if h >= height}
        self._announced = {h: o for h, o in self._announced.items() if h >= height}
        self._changed = {h for h in self._changed if h >= height}
