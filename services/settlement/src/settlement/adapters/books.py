"""Reading the books: trial balance and journal, each answer from one consistent view."""

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.adapters import tables
from settlement.application.ports import BookHead, BookLine, TrialBalance, TrialLine
from sps.runtime.database import Database
from sps.runtime.tables import block_cursor


class BookReader:
    """Answers questions to the books; it can also be used without the service, on its database."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    async def trial(self, after: str = "", limit: int | None = None) -> TrialBalance:
        """Every account with its totals, ordered by address; with a limit, the next so many."""
        account = tables.account.c
        query = (
            select(account.address, account.currency, account.debits, account.credits)
            .where(account.address > after)
            .order_by(account.address)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            lines = [TrialLine(*row) for row in await connection.execute(query)]
            return TrialBalance(await _head(connection), lines)

    async def trial_balance(self) -> list[TrialLine]:
        """The accounts alone."""
        return (await self.trial()).lines

    async def head(self) -> BookHead:
        """How far the books are."""
        async with self._database.reading() as connection:
            return await _head(connection)

    async def totals(self) -> dict[tuple[str, str], int]:
        """One statement, and so one moment."""
        account = tables.account.c
        balance = func.sum(account.debits) - func.sum(account.credits)
        query = select(account.code, account.currency, balance).group_by(account.code, account.currency)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return {(code, currency): int(total) for code, currency, total in rows}

    async def journal(self, subject: str | None, limit: int) -> list[BookLine]:
        """The newest `limit` lines, oldest first, of one subject when it is named."""
        journal, posting = tables.journal.c, tables.posting.c
        query = (
            select(journal.height, journal.n, journal.kind, journal.subject, posting.address, posting.amount)
            .join_from(
                tables.journal,
                tables.posting,
                (posting.height == journal.height) & (posting.n == journal.n),
            )
            .order_by(journal.height.desc(), journal.n.desc(), posting.i.desc())
            .limit(limit)
        )
        if subject is not None:
            query = query.where(journal.subject == subject)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [BookLine(*row) for row in reversed(rows)]


async def _head(connection: AsyncConnection) -> BookHead:
    cursor, journal = block_cursor.c, tables.journal.c
    height = await connection.scalar(select(cursor.height).where(cursor.stream == tables.STREAM))
    newest = select(journal.height, journal.time_ms).order_by(journal.height.desc()).limit(1)
    entry = (await connection.execute(newest)).first()
    return BookHead(int(height or 0), *(entry or (0, 0)))
