"""The one queue of inputs in front of the replica: in order, bounded, with a clock that never goes back."""

import asyncio
import time
from collections import deque
from typing import Final

from consensus_node.core.inputs import Input
from sps.runtime.clock import Clock

INPUTS_MAX: Final = 1_000
"""So many inputs wait, and the readers of the log pause; what one read brought may come on top."""
GROUP_MAX: Final = 64
"""Inputs stepped before one sync of the write-ahead log."""
_HALF_SPEED_MS: Final = 500
"""Milliseconds per second."""


class SteadyClock:
    """Wall time that never goes back: while the wall clock is behind, it goes on at half speed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = 0
        self._behind_since: tuple[float, int] | None = None

    def now_ms(self) -> int:
        wall = self._clock.now_ms()
        if wall >= self._latest:
            self._latest, self._behind_since = wall, None
            return wall
        now_s = time.monotonic()
        since_s, latest = self._behind_since = self._behind_since or (now_s, self._latest)
        self._latest = max(self._latest, latest + int((now_s - since_s) * _HALF_SPEED_MS))
        return self._latest


class Inbox:
    """Many put, the node takes groups."""

    def __init__(self) -> None:
        self._inputs: deque[Input] = deque()
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    def __len__(self) -> int:
        return len(self._inputs)

    def put(self, item: Input) -> None:
        """Put without waiting: for the node's own news, which is bounded by what it did."""
        self._inputs.append(item)
        self._filled.set()

    def put_first(self, item: Input) -> None:
        """Put before everything that waits: the replica's start comes before what was heard meanwhile."""
        self._inputs.appendleft(item)
        self._filled.set()

    async def room(self, below: int = INPUTS_MAX) -> None:
        """Wait until fewer inputs wait than this: readers of the log call it before they put."""
        while len(self._inputs) >= below:
            self._taken.clear()
            await self._taken.wait()

    async def take(self) -> list[Input]:
        """Wait for at least one input; returns at most a group of them, in order."""
        await self._filled.wait()
        group = [self._inputs.popleft() for _ in range(min(GROUP_MAX, len(self._inputs)))]
        if not self._inputs:
            self._filled.clear()
        self._taken.set()
        return group
