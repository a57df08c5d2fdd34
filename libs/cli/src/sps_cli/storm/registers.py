"""What our own registers say: read from the databases of the services, without their help."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
from msgspec import Struct
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

import contract_api.adapters.tables as api
import payment_gateway.adapters.tables as payment
import settlement.adapters.tables as settlement
from settlement.adapters.books import BookReader
from settlement.application.ports import TrialLine
from sps.escrow.refusals import DUPLICATE
from sps.runtime.database import Database
from sps.runtime.tables import block_cursor, outbox_batch, outbox_transaction
from sps_cli.state_folder import StateFolder
from sps_cli.wiring import NODES, SERVICES

STATUS_S: Final = 5.0


class OrderLine(Struct, frozen=True):
    """One order to a provider, as the payment gateway keeps it; amounts in minor units."""

    id: str
    kind: str
    state: str
    minor: int
    currency: str
    attempts: int


class NodeLine(Struct, frozen=True):
    """Where a validator stands."""

    name: str
    final_height: int
    executed_height: int
    app_hash: str


class Registers(Struct, frozen=True):
    """Everything that the audit compares, as near to one moment as several databases allow."""

    trial: list[TrialLine]
    orders: list[OrderLine]
    contracts: dict[str, str]
    """Contract to its state."""
    unsaid: dict[str, int]
    """Service to the facts and batches in its outbox that no block holds yet."""
    unpublished_orders: int
    heights: dict[str, int]
    """Service to the height of its projection."""
    nodes: list[NodeLine]
    duplicates: dict[str, int]
    """Repeats that we recognised, by where."""


async def read_registers(
    folder: StateFolder, database_url: Callable[[str], str], client: httpx.AsyncClient
) -> Registers:
    """Raises kinds of trouble while a database or a validator does not answer."""
    unsaid, heights = {}, {}
    for name in SERVICES:
        async with _reading(database_url(name)) as connection:
            unsaid[name] = await _unsaid(connection)
            heights[name] = int(await connection.scalar(select(func.max(block_cursor.c.height))) or 0)
    async with _reading(database_url("payment-gateway")) as connection:
        orders = await _orders(connection)
        repeats = await _count(
            connection, select(payment.callback).where(payment.callback.c.verdict == "repeat")
        )
    async with _reading(database_url("contract-api")) as connection:
        contract = api.contract.c
        contracts = {
            str(row[0]): str(row[1]) for row in await connection.execute(select(contract.id, contract.state))
        }
    async with _reading(database_url("settlement")) as connection:
        order, inbox = settlement.payout_order, settlement.inbox
        unpublished = await _count(connection, select(order).where(order.c.published_ms.is_(None)))
        on_chain = await _count(connection, select(inbox).where(inbox.c.code == DUPLICATE))
    return Registers(
        trial=await _trial(database_url("settlement")),
        orders=orders,
        contracts=contracts,
        unsaid=unsaid,
        unpublished_orders=unpublished,
        heights=heights,
        nodes=[await node_line(folder, name, client) for name in NODES],
        duplicates={"callbacks": repeats, "facts on the chain": on_chain},
    )


async def node_line(folder: StateFolder, name: str, client: httpx.AsyncClient) -> NodeLine:
    """Ask a validator where it stands."""
    answer = await client.get(f"{folder.url(name)}/v1/status", timeout=STATUS_S)
    said: dict[str, Any] = answer.raise_for_status().json()
    return NodeLine(name, said["final_height"], said["executed_height"], said["app_hash"])


async def _trial(url: str) -> list[TrialLine]:
    database = Database(url)
    try:
        return await BookReader(database).trial_balance()
    finally:
        await database.stop()


@asynccontextmanager
async def _reading(url: str) -> AsyncIterator[AsyncConnection]:
    database = Database(url)
    try:
        async with database.reading() as connection:
            yield connection
    finally:
        await database.stop()


async def _unsaid(connection: AsyncConnection) -> int:
    facts = select(outbox_transaction).where(outbox_transaction.c.batch_seq.is_(None))
    batches = select(outbox_batch).where(outbox_batch.c.confirmed_height.is_(None))
    return await _count(connection, facts) + await _count(connection, batches)


async def _orders(connection: AsyncConnection) -> list[OrderLine]:
    order = payment.outgoing.c
    query = select(order.id, order.kind, order.state, order.minor, order.currency, order.attempt)
    return [OrderLine(*row) for row in await connection.execute(query)]


async def _count(connection: AsyncConnection, query: Select[Any]) -> int:
    return int(await connection.scalar(select(func.count()).select_from(query.subquery())) or 0)
