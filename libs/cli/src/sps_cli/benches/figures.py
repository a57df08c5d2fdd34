"""What a bench gives: figures, each with its unit and beside its target."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec import Struct

Bound = Literal["at most", "at least", ""]
Told = Callable[[str], None]
"""Says what is going on, while it is going on."""

NANO: Final = 1_000
"""Nanoseconds per microsecond."""


class Figure(Struct, frozen=True):
    """One measured number; `n` is how many measurements it rests on, `at` when it was taken (UTC)."""

    part: str
    figure: str
    value: float
    unit: str
    n: int
    target: float | None = None
    bound: Bound = ""
    command: str = ""
    at: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None when there is no target."""
        if self.target is None:
            return None
        return self.value <= self.target if self.bound == "at most" else self.value >= self.target


class Effort(Struct, frozen=True):
    """How much work goes into the figures; `short` only shows that every part still gives them."""

    short: bool = False

    def of(self, full: int, short: int) -> int:
        """How often to repeat."""
        return short if self.short else full


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile: a value that was really seen."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def at_most(target: float | None) -> Bound:
    """The bound of a figure that should be small."""
    return "" if target is None else "at most"


def latency(
    part: str, what: str, times_ms: Sequence[float], p50: float | None = None, p99: float | None = None
) -> list[Figure]:
    """p50 and p99 of times in milliseconds, with targets where there are any."""
    return [
        Figure(
            part,
            f"{what}, {name}",
            round(quantile(times_ms, share), 2),
            "ms",
            len(times_ms),
            target,
            at_most(target),
        )
        for name, share, target in (("p50", 0.5, p50), ("p99", 0.99, p99))
    ]


class Stopwatch:
    """Sums the CPU time of this process between `with` and its end, whatever the threads; nanoseconds."""

    def __init__(self) -> None:
        self.spent_ns = 0
        self._began = 0

    def __enter__(self) -> None:
        self._began = time.process_time_ns()

    def __exit__(self, *_: object) -> None:
        self.spent_ns += time.process_time_ns() - self._began

    def us_per(self, count: int) -> float:
        return self.spent_ns / NANO / count
