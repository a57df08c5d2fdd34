"""Keeps the log readable when a server is away: the same line again and again is one line and a number.

A library's line is known by where in its code it comes from, ours by its event. Our own errors always pass.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

WINDOW_S: Final = 10.0
FOREIGN_LINES: Final = 1
"""Of a library, the same line so often in a window."""
OUR_LINES: Final = 3
"""Of ours, the same warning so often in a window."""
KEYS_MAX: Final = 1_000
"""Different lines that are remembered."""
NAMING: Final = ("event", "loop", "dependency", "route")
"""What tells our warnings apart; the last three have few values."""
LEFT_OUT: Final = "left_out"
"""The key of a line that says how many like it were left out before it."""


class Calm(logging.Filter):
    """On the handler, so that it sees ours and everybody's."""

    def __init__(self, window_s: float = WINDOW_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._window_s: Final = window_s
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._seen: Final[dict[Any, list[float]]] = {}
        """By key: when its window began, lines let through in it, lines left out since."""

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.msg if isinstance(record.msg, dict) else None
        if ours is None:
            key: Any = (record.name, record.pathname, record.lineno)
            lines = FOREIGN_LINES
        elif record.levelno == logging.WARNING:
            key = (record.name, *map(ours.get, NAMING))
            lines = OUR_LINES
        else:
            return True
        left_out = self._pass(key, lines)
        if left_out is None:
            return False
        if left_out and ours is not None:
            ours[LEFT_OUT] = left_out
        elif left_out:
            setattr(record, LEFT_OUT, left_out)
        return True

    def _pass(self, key: Any, lines: int) -> int | None:
        """How many were left out before this one; None: this one is left out as well."""
        with self._lock:
            now = self._clock()
            began, passed, left_out = self._seen.pop(key, (now, 0, 0))
            if now - began >= self._window_s:
                began, passed = now, 0
            through = passed < lines
            self._seen[key] = [began, passed + 1, 0] if through else [began, passed, left_out + 1]
            if len(self._seen) > KEYS_MAX:
                del self._seen[next(iter(self._seen))]
            return int(left_out) if through else None
