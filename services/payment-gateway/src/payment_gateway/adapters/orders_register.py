"""Outgoing orders, their attempts and the fence: nobody writes a row that has changed hands.

SQLite reads PostgreSQL's ON CONFLICT as it is; the second writer of a key waits there for the first.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import asdict, replace
from sqlalchemy import case, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_gateway.adapters.tables import (
    chain_order,
    order_offset,
    outgoing,
    outgoing_attempt,
    refused_order,
)
from payment_gateway.application.register import OrderRow, Position
from payment_gateway.core.outcome import Outcome
from payment_gateway.core.payout import FINAL_STATES, Machine
from sps.money import Money
from sps.runtime.database import Database
from sps.runtime.outbox import TransactionOutbox
from sps.transactions.vocabulary import Transaction

REFUSED_MAX: Final = 1_000
RECORD_SAMPLE: Final = 4096

_row: Final = outgoing.c


class SqlOrderRegister:
    """`OrderRegister`."""

    def __init__(self, database: Database, outbox: TransactionOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def next_offset(self, partition: int) -> int:
        query = select(order_offset.c.next_offset).where(order_offset.c.log_partition == partition)
        async with self._database.reading() as connection:
            return int(await connection.scalar(query) or 0)

    async def take_order(self, position: Position, row: OrderRow | None) -> bool:
        async with self._database.transaction() as connection:
            await _advance(connection, position)
            if row is None:
                return False
            wish = insert(outgoing).values(_values(row))
            done = await connection.execute(wish.on_conflict_do_nothing(index_elements=[_row.id]))
        return bool(done.rowcount)

    async def refuse_order(self, position: Position, code: str, record: bytes, now_ms: int) -> None:
        async with self._database.transaction() as connection:
            await _advance(connection, position)
            await connection.execute(
                insert(refused_order).values(
                    log_partition=position.partition,
                    log_offset=position.offset,
                    code=code,
                    record=record[:RECORD_SAMPLE],
                    refused_ms=now_ms,
                )
            )
            newest_over = await connection.scalar(
                select(refused_order.c.id).order_by(refused_order.c.id.desc()).offset(REFUSED_MAX).limit(1)
            )
            if newest_over is not None:
                await connection.execute(delete(refused_order).where(refused_order.c.id <= newest_over))

    async def ordered_ms(self, order: str) -> int | None:
        query = select(chain_order.c.block_ms).where(chain_order.c.id == order)
        async with self._database.reading() as connection:
            found = await connection.scalar(query)
        return None if found is None else int(found)

    async def order(self, order: str) -> OrderRow | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(outgoing).where(_row.id == order))).mappings().first()
        return _order(row) if row else None

    async def due_orders(self, now_ms: int, limit: int, stopped: Collection[str]) -> list[OrderRow]:
        sendable = or_(_row.state != "ordered", _row.provider.not_in(stopped))
        query = (
            select(outgoing)
            .where(_row.due_ms <= now_ms, _row.state.not_in(FINAL_STATES), sendable)
            .order_by(_row.due_ms, _row.id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [_order(row) for row in (await connection.execute(query)).mappings()]

    async def claim_order(self, row: OrderRow, machine: Machine, request: bytes | None) -> OrderRow | None:
        async with self._database.transaction() as connection:
            taken = await connection.execute(
                update(outgoing)
                .where(_row.id == row.id, _row.fence == row.machine.fence, _row.state == row.machine.state)
                .values(asdict(machine))
            )
            if not taken.rowcount:
                return None
            if request is not None:
                await connection.execute(
                    insert(outgoing_attempt).values(
                        order_id=row.id,
                        n=machine.attempt,
                        fence=machine.fence,
                        request_hash=hashlib.sha256(request).digest(),
                        sent_ms=machine.last_sent_ms,
                    )
                )
        return replace(row, machine=machine)

    async def save_order(
        self, claimed: OrderRow, machine: Machine, outcome: Outcome, facts: Sequence[Transaction], now_ms: int
    ) -> bool:
        held = claimed.machine
        values = asdict(machine) | {
            "due_ms": case((_row.due_ms == held.due_ms, machine.due_ms), else_=_row.due_ms)
        }
        async with self._database.transaction() as connection:
            written = await connection.execute(
                update(outgoing)
                .where(_row.id == claimed.id, _row.fence == held.fence, _row.state == held.state)
                .values(values)
            )
            if not written.rowcount:
                return False
            await self._outbox.add(connection, *facts)
            if held.state == "sending":
                await connection.execute(
                    update(outgoing_attempt)
                    .where(outgoing_attempt.c.order_id == claimed.id, outgoing_attempt.c.n == held.attempt)
                    .values(result=type(outcome).__name__.lower(), answered_ms=now_ms)
                )
        return True


async def _advance(connection: AsyncConnection, position: Position) -> None:
    """Never backwards: of two processes that read the same partition one is behind."""
    known = order_offset.c
    wish = insert(order_offset).values(log_partition=position.partition, next_offset=position.offset + 1)
    following = wish.excluded.next_offset
    await connection.execute(
        wish.on_conflict_do_update(
            index_elements=[known.log_partition],
            set_={"next_offset": following},
            where=known.next_offset < following,
        )
    )


def _values(row: OrderRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "provider": row.provider,
        "currency": row.amount.currency,
        "minor": row.amount.minor,
        "beneficiary": row.beneficiary,
        "payment": row.payment,
        "contract": row.contract,
        "ordered_ms": row.ordered_ms,
        **asdict(row.machine),
    }


def _order(row: Mapping[Any, Any]) -> OrderRow:
    return OrderRow(
        id=row["id"],
        kind=row["kind"],
        provider=row["provider"],
        amount=Money(row["minor"], row["currency"]),
        beneficiary=row["beneficiary"],
        payment=row["payment"],
        contract=row["contract"],
        ordered_ms=row["ordered_ms"],
        machine=Machine(**{name: row[name] for name in Machine.__struct_fields__}),
    )
