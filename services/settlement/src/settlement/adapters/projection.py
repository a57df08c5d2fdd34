"""Folds one block into the books: inbox, balances, journals, orders, quotes, in one transaction.

The probe names each step, so that a test can stop the service between any two of them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.adapters.book_writer import SqlBooks
from settlement.adapters.registers import write_orders, write_quotes, write_verdicts
from settlement.core.books import Entry, check_books, entries_of, movements_of, sums_of
from settlement.core.orders import orders_of
from settlement.core.quotes import QuoteNews, news_of
from settlement.core.rates import Verdict, verdicts_of
from settlement.metrics import PROVIDER_ACCOUNT, Metrics
from sps.chain.receipt import OK
from sps.runtime.database import on_commit
from sps.runtime.logs import get_logger
from sps.runtime.probe import Probe, no_probe
from sps.runtime.projection import ExecutedBlock
from sps.signing import Signer
from sps.transactions.orders import Order, seal_order

IN_A_THREAD: Final = 16
"""So many signatures take longer than a thread's beginning and end."""


class Wakes(Struct, frozen=True):
    """Whom to tell after the commit."""

    ordered: Callable[[], None]
    quoted: Callable[[], None]


class _Folded(Struct, frozen=True):
    """What a block added, for those who are told after the commit."""

    height: int
    entries: Sequence[Entry]
    orders: Sequence[Order]
    news: QuoteNews
    verdicts: Sequence[Verdict]
    at_providers: Mapping[str, int]
    """Balances of the provider accounts that it touched."""


class SettlementProjection:
    """What a block means to settlement."""

    def __init__(
        self, signer: Signer, chain_id: bytes, wakes: Wakes, metrics: Metrics, probe: Probe = no_probe
    ) -> None:
        self._books: Final = SqlBooks()
        self._signer: Final = signer
        self._chain_id: Final = chain_id
        self._wakes: Final = wakes
        self._metrics: Final = metrics
        self._probe: Final = probe
        self._log: Final = get_logger("settlement")
        self._compared = False

    async def apply(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        began = time.perf_counter()
        if block.receipts:
            folded = await self._fold(connection, block)
            on_commit(connection, lambda: self._tell(folded))
        if not self._compared:
            await self._compare(connection, block)
        self._metrics.books.fold.observe(time.perf_counter() - began)

    async def _fold(self, connection: AsyncConnection, block: ExecutedBlock) -> _Folded:
        orders = orders_of(block.receipts, block.state)
        sealing = asyncio.ensure_future(self._sealed(orders))
        try:
            return await self._write(connection, block, orders, sealing)
        finally:
            sealing.cancel()

    async def _write(
        self,
        connection: AsyncConnection,
        block: ExecutedBlock,
        orders: Sequence[Order],
        sealing: Awaitable[Sequence[tuple[str, bytes]]],
    ) -> _Folded:
        receipts, balances = block.receipts, block.state.balances
        await self._books.record_receipts(connection, receipts)
        self._probe("settlement.inbox")
        entries = entries_of(receipts)
        moved = movements_of(entries)
        await self._books.record_movements(connection, block.height, moved, balances)
        self._probe("settlement.balances")
        await self._books.record_entries(connection, block.height, block.time_ms, entries)
        self._probe("settlement.journals")
        await write_orders(connection, await sealing)
        self._probe("settlement.orders")
        news, verdicts = news_of(receipts), verdicts_of(receipts)
        await write_quotes(connection, block.height, news)
        await write_verdicts(connection, verdicts)
        self._probe("settlement.quotes")
        at_providers = {each: balances.get(each, 0) for each in moved if each.startswith(PROVIDER_ACCOUNT)}
        return _Folded(block.height, entries, orders, news, verdicts, at_providers)

    async def _sealed(self, orders: Sequence[Order]) -> Sequence[tuple[str, bytes]]:
        """Orders by identifier with their signed bytes; many are signed while the database works."""

        def seal() -> Sequence[tuple[str, bytes]]:
            return [(each.id, seal_order(each, self._signer, self._chain_id)) for each in orders]

        return seal() if len(orders) < IN_A_THREAD else await asyncio.to_thread(seal)

    async def _compare(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        """Once after every start: all stored balances against the executed state (I-03, I-04)."""
        stored = await self._books.balances(connection)
        check_books(stored, block.state.balances, block.height)
        self._compared = True
        self._metrics.books.summed(sums_of(stored.items()))
        self._alarm(block.height, stored)

    def _tell(self, folded: _Folded) -> None:
        """After the commit: count, wake, alarm."""
        self._metrics.books.written(folded.entries)
        self._metrics.rates.quoted(folded.news)
        self._metrics.rates.judged(folded.verdicts)
        for kind, count in Counter(order.kind for order in folded.orders).items():
            self._metrics.orders.signed.labels(kind).inc(count)
        for verdict in folded.verdicts:
            if verdict.code != OK:
                self._log.error("rates.refused", code=verdict.code, transaction=verdict.transaction)
        self._alarm(folded.height, folded.at_providers)
        if folded.orders:
            self._wakes.ordered()
        if folded.news.requested or folded.news.late or folded.verdicts:
            self._wakes.quoted()

    def _alarm(self, height: int, balances: Mapping[str, int]) -> None:
        """Our books below zero at a provider: it paid out what we do not know to have."""
        for address in self._metrics.books.stands(balances):
            self._log.error(
                "books.provider_negative", account=address, minor=balances[address], height=height
            )
