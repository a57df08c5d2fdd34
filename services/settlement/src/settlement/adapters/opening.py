"""The books begin with the operator's floats of the genesis document, as height 0 (posting P84).

They name the chain they are of. A database of another chain is refused before anything is read from it.
"""

from typing import Final

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.adapters import tables
from settlement.adapters.book_writer import SqlBooks
from settlement.core.books import Entry, movements_of
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.chain.state import opening_journals
from sps.runtime.database import Database, one_at_a_time
from sps.runtime.errors import Refusal

GENESIS_SUBJECT: Final = "genesis"
GENESIS_HEIGHT: Final = 0
OPENING: Final = "settlement.opening"
"""What one transaction at a time may do: find the books empty and open them."""


class OtherChain(Refusal):
    """These are the books of another chain."""


async def open_books(database: Database, genesis: Genesis) -> None:
    """Write the opening entries once; raises `OtherChain` when the books belong to another genesis."""
    ours = chain_id(genesis_bytes(genesis)).hex()
    async with database.transaction() as connection:
        await one_at_a_time(connection, OPENING)
        theirs = await connection.scalar(select(tables.book.c.chain_id))
        if theirs is None:
            await _open(connection, genesis, ours)
        elif theirs != ours:
            raise OtherChain(
                "OTHER_CHAIN",
                f"the database holds the books of chain {theirs}, the genesis document names {ours};"
                " give the service the database of its own chain, or an empty one",
            )


async def _open(connection: AsyncConnection, genesis: Genesis, ours: str) -> None:
    await connection.execute(insert(tables.book).values(chain_id=ours, opened_ms=genesis.created_ms))
    if await connection.scalar(select(func.count()).select_from(tables.account)):
        return  # opened by a release that did not name the chain yet
    entries = [Entry(n, n, GENESIS_SUBJECT, "", each) for n, each in enumerate(opening_journals(genesis))]
    moved = movements_of(entries)
    balances = {account: movement.debits - movement.credits for account, movement in moved.items()}
    books = SqlBooks()
    await books.record_movements(connection, GENESIS_HEIGHT, moved, balances)
    await books.record_entries(connection, GENESIS_HEIGHT, genesis.created_ms, entries)
