"""Surveys for the metrics: what all accounts sum to, and how many contracts are where.

The sums are taken from the stored rows, not from what the fold believes: that is their point.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from settlement.application.ports import Books, ChainView
from settlement.metrics import BookMetrics, ContractMetrics
from sps.escrow.header import header_of
from sps.runtime.clock import Clock

SLICE: Final = 500
"""Contracts that are counted before others have their turn: well below a millisecond."""
MS_PER_S: Final = 1_000

Value = TypeVar("Value")


class SumBooks:
    """Adds up the stored balances by account code and currency."""

    def __init__(self, books: Books, metrics: BookMetrics) -> None:
        self._books: Final = books
        self._metrics: Final = metrics

    async def __call__(self) -> None:
        self._metrics.totalled(await self._books.totals())


class CountContracts:
    """Counts contracts and payouts by state, from the chain in memory; values are frozen, so it may pause."""

    def __init__(self, chain: ChainView, clock: Clock, metrics: ContractMetrics) -> None:
        self._chain: Final = chain
        self._clock: Final = clock
        self._metrics: Final = metrics
        metrics.measure_overdue(self.overdue_s)

    async def __call__(self) -> None:
        contracts: Counter[str] = Counter()
        for part in _slices(list(self._chain.state.contracts.values())):
            contracts.update(header_of(contract).state for contract in part)
            await asyncio.sleep(0)
        payouts: Counter[str] = Counter()
        for each in _slices(list(self._chain.state.payouts.values())):
            payouts.update(payout.state for payout in each)
            await asyncio.sleep(0)
        self._metrics.counted(contracts, payouts)

    def overdue_s(self) -> float:
        """How long the oldest deadline is over, in seconds of the wall clock."""
        due_ms = self._chain.state.next_deadline_ms()
        return 0.0 if due_ms is None else max(0, self._clock.now_ms() - due_ms) / MS_PER_S


def _slices(values: Sequence[Value]) -> Iterable[Sequence[Value]]:
    return (values[start : start + SLICE] for start in range(0, len(values), SLICE))
