"""The port `Store` on the service's database: SQLite or PostgreSQL, through SQLAlchemy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from carrier_gateway.adapters.inbound_records import InboundRecords
from carrier_gateway.adapters.parcel_records import ParcelRecords
from sps.runtime.database import Database
from sps.runtime.outbox import TransactionOutbox
from sps.transactions.vocabulary import Transaction


class DatabaseUnit(ParcelRecords, InboundRecords):
    """One transaction's view: parcels, messages and the outbox."""

    def __init__(self, connection: AsyncConnection, outbox: TransactionOutbox) -> None:
        ParcelRecords.__init__(self, connection)
        InboundRecords.__init__(self, connection)
        self._outbox = outbox

    async def submit(self, *transactions: Transaction) -> None:
        if transactions:
            await self._outbox.add(self._connection, *transactions)


class DatabaseStore:
    """Opens units."""

    def __init__(self, database: Database, outbox: TransactionOutbox) -> None:
        self._database = database
        self._outbox = outbox

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[DatabaseUnit]:
        async with self._database.transaction() as connection:
            yield DatabaseUnit(connection, self._outbox)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[DatabaseUnit]:
        async with self._database.reading() as connection:
            yield DatabaseUnit(connection, self._outbox)

    def within(self, connection: AsyncConnection) -> DatabaseUnit:
        return DatabaseUnit(connection, self._outbox)
