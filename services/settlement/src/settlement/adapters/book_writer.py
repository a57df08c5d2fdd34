"""Writing the books: one block is one transaction, a hot account is one update.

Rows of `journal` and `posting` are only ever inserted. A touched account's stored balance must equal the
balance of the executed state, or the block is not folded.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.adapters import tables
from settlement.core.books import Entry, Movement, OutOfBalance
from sps.chain.receipt import Receipt
from sps.ledger.accounts import CODE_LENGTH, Guard, guard_of

GUARD_WORDS: Final = {
    Guard.ANY: "none",
    Guard.NEGATIVE_IS_ALARM: "none",
    Guard.NEVER_NEGATIVE: "debit",
    Guard.NEVER_POSITIVE: "credit",
}
"""What the CHECK on the balance row enforces; 1000 may fall below zero, that is an alarm."""
IN_CLAUSE_MAX: Final = 500
"""Addresses asked for in one statement."""
READ_ROWS: Final = 1_000
"""Accounts held in memory at once while all are read."""


class SqlBooks:
    """Writes within the caller's transaction."""

    async def record_receipts(self, connection: AsyncConnection, receipts: Sequence[Receipt]) -> None:
        rows = [
            {
                "height": receipt.height,
                "cause": receipt.index,
                "kind": receipt.kind,
                "cause_transaction": receipt.transaction,
                "code": receipt.code,
            }
            for receipt in receipts
        ]
        await _insert(connection, tables.inbox, rows)

    async def record_movements(
        self,
        connection: AsyncConnection,
        height: int,
        moved: Mapping[str, Movement],
        balances: Mapping[str, int],
    ) -> None:
        """Add the block's movements; `balances` are the executed state's, absent means zero."""
        known = await _balances(connection, list(moved))
        fresh: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for address, movement in moved.items():
            debits, credits_ = known.get(address, (0, 0))
            debits, credits_ = debits + movement.debits, credits_ + movement.credits
            if debits - credits_ != balances.get(address, 0):
                raise OutOfBalance(
                    f"{address} at height {height}: {debits - credits_} != {balances.get(address, 0)}"
                )
            row = {"a": address, "d": debits, "c": credits_, "h": height}
            (changed if address in known else fresh).append(row)
        await _insert(connection, tables.account, [_opened(row) for row in fresh])
        if changed:
            await connection.execute(_MOVE, changed)

    async def record_entries(
        self, connection: AsyncConnection, height: int, time_ms: int, entries: Sequence[Entry]
    ) -> None:
        journals = [
            {
                "height": height,
                "n": entry.n,
                "kind": entry.journal.kind,
                "cause": entry.cause,
                "subject": entry.subject,
                "cause_transaction": entry.transaction,
                "reverses": entry.journal.reverses,
                "time_ms": time_ms,
            }
            for entry in entries
        ]
        lines = [
            {"height": height, "n": entry.n, "i": i, "address": line.account, "amount": line.amount}
            for entry in entries
            for i, line in enumerate(entry.journal.postings)
        ]
        await _insert(connection, tables.journal, journals)
        await _insert(connection, tables.posting, lines)

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


_MOVE: Final = (
    update(tables.account)
    .where(tables.account.c.address == bindparam("a"))
    .values(debits=bindparam("d"), credits=bindparam("c"), last_height=bindparam("h"))
)


def _opened(row: dict[str, Any]) -> dict[str, Any]:
    address = row["a"]
    return {
        "address": address,
        "code": address[:CODE_LENGTH],
        "currency": address.rpartition("/")[2],
        "guard": GUARD_WORDS[guard_of(address)],
        "debits": row["d"],
        "credits": row["c"],
        "opened_height": row["h"],
        "last_height": row["h"],
    }


async def _balances(connection: AsyncConnection, addresses: Sequence[str]) -> dict[str, tuple[int, int]]:
    account = tables.account
    found: dict[str, tuple[int, int]] = {}
    for start in range(0, len(addresses), IN_CLAUSE_MAX):
        rows = await connection.execute(
            select(account.c.address, account.c.debits, account.c.credits).where(
                account.c.address.in_(addresses[start : start + IN_CLAUSE_MAX])
            )
        )
        found.update({row.address: (row.debits, row.credits) for row in rows})
    return found


async def _insert(connection: AsyncConnection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        await connection.execute(insert(table), rows)
