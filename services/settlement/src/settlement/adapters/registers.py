"""Orders, rate documents and waiting quotes: rows that the fold writes and background loops work off."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.adapters.tables import open_quote, payout_order, rate_document
from settlement.application.ports import StoredOrder
from settlement.core.quotes import QuoteNews
from settlement.core.rates import OPEN, RateDocument, Submitted, Verdict
from sps.runtime.bulk import among, copy_rows
from sps.runtime.clock import Clock
from sps.runtime.database import Database, one_at_a_time
from sps.runtime.outbox import TransactionOutbox
from sps.transactions.codec import encode, transaction_hash
from sps.transactions.vocabulary import LockQuote
from sps.transactions.vocabulary import PublishRates as Publication

SUBMITTING: Final = "settlement.rates"
"""What one transaction at a time may do: count a try of a document, or keep it first."""


class SqlOrders:
    """Orders, in the sequence in which the chain decided them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database: Final = database
        self._clock: Final = clock

    async def unpublished(self, limit: int) -> list[StoredOrder]:
        order = payout_order.c
        query = select(order.seq, order.id, order.body).where(order.published_ms.is_(None))
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(order.seq).limit(limit))
            return [StoredOrder(*row) for row in rows]

    async def mark(self, orders: Sequence[StoredOrder]) -> None:
        row = payout_order.c
        async with self._database.transaction() as connection:
            places = among(connection, row.seq, [order.seq for order in orders])
            await connection.execute(
                update(payout_order)
                .where(places, row.published_ms.is_(None))
                .values(published_ms=self._clock.now_ms())
            )

    async def reopen(self, orders: Sequence[str]) -> int:
        row = payout_order.c
        async with self._database.transaction() as connection:
            found = await connection.execute(
                update(payout_order)
                .where(among(connection, row.id, orders), row.published_ms.is_not(None))
                .values(published_ms=None)
            )
        return found.rowcount


async def write_orders(connection: AsyncConnection, bodies: Sequence[tuple[str, bytes]]) -> None:
    """For the fold: orders by identifier with their signed bytes."""
    await copy_rows(connection, payout_order, ("id", "body"), bodies)


class SqlRates:
    """Rate documents that were put on the chain, byte for byte as they were fetched."""

    def __init__(self, database: Database, outbox: TransactionOutbox, clock: Clock) -> None:
        self._database: Final = database
        self._outbox: Final = outbox
        self._clock: Final = clock

    async def before(self, document: RateDocument) -> tuple[Submitted | None, int]:
        row = rate_document.c
        async with self._database.reading() as connection:
            found = (
                await connection.execute(
                    select(row.tries, row.verdict).where(row.digest == document.digest.hex())
                )
            ).first()
            others = await connection.scalar(
                select(func.count())
                .select_from(rate_document)
                .where(row.as_of_ms == document.as_of_ms, row.digest != document.digest.hex())
            )
        return (Submitted(found.tries, found.verdict) if found else None), int(others or 0)

    async def submit(self, document: RateDocument, raw: bytes, publication: Publication) -> None:
        digest = document.digest.hex()
        submission = {"submission": transaction_hash(encode(publication)).hex(), "verdict": OPEN}
        first = _described(document) | {
            "fetched_ms": self._clock.now_ms(),
            "document": raw,
            "tries": 1,
        }
        async with self._database.transaction() as connection:
            await one_at_a_time(connection, SUBMITTING)
            again = await connection.execute(
                update(rate_document)
                .where(rate_document.c.digest == digest)
                .values(tries=rate_document.c.tries + 1, **submission)
            )
            if not again.rowcount:
                await connection.execute(insert(rate_document).values(**first, **submission))
            await self._outbox.add(connection, publication)


def _described(document: RateDocument) -> dict[str, Any]:
    return {"digest": document.digest.hex(), "source": document.source, "as_of_ms": document.as_of_ms}


async def write_verdicts(connection: AsyncConnection, verdicts: Sequence[Verdict]) -> None:
    """For the fold: the chain's word on submissions of ours; others have no row."""
    for verdict in verdicts:
        await connection.execute(
            update(rate_document)
            .where(rate_document.c.submission == verdict.transaction)
            .values(verdict=verdict.code)
        )


class SqlQuotes:
    """Requests that wait for a rate; each remembers the last snapshot that was tried for it."""

    def __init__(self, database: Database, outbox: TransactionOutbox) -> None:
        self._database: Final = database
        self._outbox: Final = outbox

    async def waiting(self, snapshot: str, limit: int) -> list[str]:
        row = open_quote.c
        query = (
            select(row.id)
            .where(or_(row.snapshot.is_(None), row.snapshot != snapshot))
            .order_by(row.requested_height, row.id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def offer(self, snapshot: str, quotes: Sequence[str], locks: Sequence[LockQuote]) -> None:
        async with self._database.transaction() as connection:
            await self._outbox.add(connection, *locks)
            offered = among(connection, open_quote.c.id, quotes)
            await connection.execute(update(open_quote).where(offered).values(snapshot=snapshot))


async def write_quotes(connection: AsyncConnection, height: int, news: QuoteNews) -> None:
    """For the fold: new requests wait, what is locked or over waits no more."""
    rows = [(quote, height) for quote in news.requested]
    await copy_rows(connection, open_quote, ("id", "requested_height"), rows)
    if news.late:
        late = among(connection, open_quote.c.id, news.late)
        await connection.execute(update(open_quote).where(late).values(snapshot=None))
    if news.over:
        await connection.execute(open_quote.delete().where(among(connection, open_quote.c.id, news.over)))
