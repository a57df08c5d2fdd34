"""Final blocks this replica will write to the blocks topic when their time comes, unless another does."""

import heapq

from consensus_node.core.config import PUBLICATIONS_PENDING_MAX
from sps.chain.block import Committed


class Publications:
    """By height; the nearest due time is always at hand."""

    def __init__(self) -> None:
        self._waiting: dict[int, Committed] = {}
        self._order: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def plan(self, committed: Committed, due_ms: int) -> None:
        """Write it at that time. Beyond the bound it is left to the others: readers ask peers for gaps."""
        height = committed.header.height
        if len(self._waiting) < PUBLICATIONS_PENDING_MAX:
            self._waiting[height] = committed
            heapq.heappush(self._order, (due_ms, height))

    def seen(self, height: int) -> None:
        """It stands on the topic."""
        self._waiting.pop(height, None)

    def next_due_ms(self) -> int | None:
        order, waiting = self._order, self._waiting
        while order and order[0][1] not in waiting:
            heapq.heappop(order)
        return order[0][0] if order else None

    def take_due(self, now_ms: int) -> list[Committed]:
        """What is due now, in order of its time; it is planned no more."""
        taken = []
        while (due := self.next_due_ms()) is not None and due <= now_ms:
            taken.append(self._waiting.pop(self._order[0][1]))
        return taken
