"""Writing the books: one block is one transaction, a hot account is one update.

Rows of `journal` and `posting` are only ever inserted. A touched account's stored balance must equal the
balance of the executed state, or the block is not folded.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.adapters import tables
from settlement.core.books import Entry, Movement, OutOfBalance
from sps.chain.receipt import Receipt
from sps.ledger.accounts import CODE_LENGTH, Guard, guard_of
from sps.runtime.bulk import copy_rows, rows_of, update_rows

GUARD_WORDS: Final = {
    Guard.ANY: "none",
    Guard.NEGATIVE_IS_ALARM: "none",
    Guard.NEVER_NEGATIVE: "debit",
    Guard.NEVER_POSITIVE: "credit",
}
"""What the CHECK on the balance row enforces; 1000 may fall below zero, that is an alarm."""
READ_ROWS: Final = 1_000
"""Accounts held in memory at once while all are read."""
_INBOX: Final = ("height", "cause", "kind", "cause_transaction", "code")
_TOTALS: Final = ("debits", "credits", "last_height")
_ACCOUNT: Final = (
    "address",
    "code",
    "currency",
    "guard",
    "debits",
    "credits",
    "opened_height",
    "last_height",
)
_JOURNAL: Final = ("height", "n", "kind", "cause", "subject", "cause_transaction", "reverses", "time_ms")
_POSTING: Final = ("height", "n", "i", "address", "amount")


class SqlBooks:
    """Writes within the caller's transaction, each kind of row in one go."""

    async def record_receipts(self, connection: AsyncConnection, receipts: Sequence[Receipt]) -> None:
        rows = [(each.height, each.index, each.kind, each.transaction, each.code) for each in receipts]
        await copy_rows(connection, tables.inbox, _INBOX, rows)

    async def record_movements(
        self,
        connection: AsyncConnection,
        height: int,
        moved: Mapping[str, Movement],
        balances: Mapping[str, int],
    ) -> None:
        """Add the block's movements; `balances` are the executed state's, absent means zero."""
        rows = await rows_of(connection, tables.account, "address", ("debits", "credits"), list(moved))
        known = {address: (debits, credits_) for address, debits, credits_ in rows}
        fresh: list[tuple[Any, ...]] = []
        changed: list[tuple[Any, ...]] = []
        for address, movement in moved.items():
            debits, credits_ = known.get(address, (0, 0))
            debits, credits_ = debits + movement.debits, credits_ + movement.credits
            if debits - credits_ != balances.get(address, 0):
                raise OutOfBalance(
                    f"{address} at height {height}: {debits - credits_} != {balances.get(address, 0)}"
                )
            if address in known:
                changed.append((address, debits, credits_, height))
            else:
                fresh.append((address, *_described(address), debits, credits_, height, height))
        await copy_rows(connection, tables.account, _ACCOUNT, fresh)
        await update_rows(connection, tables.account, "address", _TOTALS, changed)

    async def record_entries(
        self, connection: AsyncConnection, height: int, time_ms: int, entries: Sequence[Entry]
    ) -> None:
        journals = [
            (height, e.n, e.journal.kind, e.cause, e.subject, e.transaction, e.journal.reverses, time_ms)
            for e in entries
        ]
        lines = [
            (height, entry.n, i, line.account, line.amount)
            for entry in entries
            for i, line in enumerate(entry.journal.postings)
        ]
        await copy_rows(connection, tables.journal, _JOURNAL, journals)
        await copy_rows(connection, tables.posting, _POSTING, lines)

    async def balances(self, connection: AsyncConnection) -> dict[str, int]:
        """Every account's stored balance; zero is left out."""
        account = tables.account.c
        found: dict[str, int] = {}
        query = select(account.address, account.debits, account.credits).execution_options(
            yield_per=READ_ROWS
        )
        async for address, debits, credits_ in await connection.stream(query):
            if debits != credits_:
                found[address] = debits - credits_
        return found


def _described(address: str) -> tuple[str, str, str]:
    """Code, currency and guard."""
    return address[:CODE_LENGTH], address.rpartition("/")[2], GUARD_WORDS[guard_of(address)]
