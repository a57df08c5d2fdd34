"""Payments of buyers and private account data, in the database.

SQLite reads PostgreSQL's ON CONFLICT as it is; the second writer of a key waits there for the first.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import case, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_gateway.adapters.tables import arrival as arrival_table
from payment_gateway.adapters.tables import beneficiary as beneficiary_table
from payment_gateway.adapters.tables import payment as payment_table
from payment_gateway.adapters.tables import payment_hint
from payment_gateway.application.register import Beneficiary, PaymentRow
from payment_gateway.core.payment import Arrival
from sps.money import Money
from sps.runtime.database import Database
from sps.runtime.errors import Trouble
from sps.runtime.outbox import TransactionOutbox
from sps.transactions.vocabulary import Transaction

_row: Final = payment_table.c
_come: Final = arrival_table.c
HINTS_MAX: Final = 20
"""Numbers of the provider that are asked for in one look."""
OPEN: Final = frozenset({"opening", "pending"})


class SqlPaymentRegister:
    """`PaymentRegister` and `BeneficiaryRegister`."""

    def __init__(self, database: Database, outbox: TransactionOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def open_payment(self, fresh: PaymentRow) -> PaymentRow:
        mine = _row.open_key == _open_key(fresh)
        async with self._database.transaction() as connection:
            # A page that takes no more money makes room; its row is still looked at.
            await connection.execute(
                update(payment_table).where(mine, _row.expires_ms <= fresh.created_ms).values(open_key=None)
            )
            wish = insert(payment_table).values(_values(fresh))
            done = await connection.execute(wish.on_conflict_do_nothing(index_elements=[_row.open_key]))
            if done.rowcount:
                return fresh
            row = (await connection.execute(select(payment_table).where(mine))).mappings().first()
        if row is None:
            raise Trouble("the open payment has just ended; ask again")
        return _payment(row)

    async def payment(self, payment: str) -> PaymentRow | None:
        async with self._database.reading() as connection:
            found = await connection.execute(select(payment_table).where(_row.id == payment))
            row = found.mappings().first()
        return _payment(row) if row else None

    async def arrivals(self, payment: str) -> list[Arrival]:
        query = select(arrival_table).where(_come.payment == payment).order_by(_come.reference)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_arrival(row) for row in rows]

    async def hinted(self, payment: str) -> list[str]:
        arrived = select(_come.reference).where(_come.payment == payment)
        query = (
            select(payment_hint.c.reference)
            .where(payment_hint.c.payment == payment, payment_hint.c.reference.not_in(arrived))
            .order_by(payment_hint.c.reference)
            .limit(HINTS_MAX)
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def payment_sent(
        self, payment: str, url: str, reference: str, due_ms: int, facts: Sequence[Transaction]
    ) -> bool:
        async with self._database.transaction() as connection:
            sent = await connection.execute(
                update(payment_table)
                .where(_row.id == payment, _row.state == "opening")
                .values(state="pending", url=url, reference=reference, due_ms=due_ms)
            )
            if not sent.rowcount:
                return False
            await self._outbox.add(connection, *facts)
        return True

    async def due_payments(self, now_ms: int, limit: int) -> list[PaymentRow]:
        query = select(payment_table).where(_row.due_ms <= now_ms).order_by(_row.due_ms, _row.id).limit(limit)
        async with self._database.reading() as connection:
            return [_payment(row) for row in (await connection.execute(query)).mappings()]

    async def claim_payment(self, row: PaymentRow, until_ms: int) -> PaymentRow | None:
        async with self._database.transaction() as connection:
            taken = await connection.execute(
                update(payment_table)
                .where(_row.id == row.id, _row.fence == row.fence, _row.state == row.state)
                .values(due_ms=until_ms, fence=row.fence + 1)
            )
        return replace(row, due_ms=until_ms, fence=row.fence + 1) if taken.rowcount else None

    async def settle_payment(
        self,
        claimed: PaymentRow,
        result: PaymentRow,
        arrivals: Sequence[Arrival],
        facts: Sequence[Transaction],
    ) -> bool:
        kept_due = case((_row.due_ms == claimed.due_ms, result.due_ms), else_=_row.due_ms)
        values: dict[str, Any] = {"looks": result.looks, "due_ms": kept_due}
        if result.state not in OPEN:
            values |= {"state": result.state, "open_key": None}
        async with self._database.transaction() as connection:
            ours = await connection.execute(
                update(payment_table).where(_row.id == claimed.id, _row.fence == claimed.fence).values(values)
            )
            if not ours.rowcount:
                return False
            for arrival in arrivals:
                await _note_arrival(connection, claimed.id, arrival)
            await self._outbox.add(connection, *facts)
        return True

    async def keep_beneficiary(self, beneficiary: Beneficiary, now_ms: int) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                insert(beneficiary_table).values(
                    commitment=beneficiary.commitment,
                    provider=beneficiary.provider,
                    account=beneficiary.account,
                    name=beneficiary.name,
                    salt=beneficiary.salt,
                    created_ms=now_ms,
                )
            )

    async def beneficiary(self, commitment: str) -> Beneficiary | None:
        query = select(beneficiary_table).where(beneficiary_table.c.commitment == commitment)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            return None
        return Beneficiary(row["commitment"], row["provider"], row["account"], row["name"], row["salt"])


async def _note_arrival(connection: AsyncConnection, payment: str, arrival: Arrival) -> None:
    told = insert(arrival_table).values(
        payment=payment,
        reference=arrival.reference,
        currency=arrival.amount.currency,
        minor=arrival.amount.minor,
        name=arrival.payment,
        fee_open=arrival.fee_open,
    )
    await connection.execute(
        told.on_conflict_do_update(
            index_elements=[_come.payment, _come.reference], set_={"fee_open": told.excluded.fee_open}
        )
    )


def _arrival(row: Mapping[Any, Any]) -> Arrival:
    return Arrival(row["reference"], Money(row["minor"], row["currency"]), row["name"], row["fee_open"])


def _open_key(row: PaymentRow) -> str | None:
    if row.state not in OPEN:
        return None
    return f"{row.contract}|{row.provider}|{row.amount.currency}|{row.amount.minor}"


def _values(row: PaymentRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "contract": row.contract,
        "provider": row.provider,
        "currency": row.amount.currency,
        "minor": row.amount.minor,
        "created_ms": row.created_ms,
        "expires_ms": row.expires_ms,
        "due_ms": row.due_ms,
        "state": row.state,
        "reference": row.reference,
        "url": row.url,
        "looks": row.looks,
        "fence": row.fence,
        "open_key": _open_key(row),
    }


def _payment(row: Mapping[Any, Any]) -> PaymentRow:
    return PaymentRow(
        id=row["id"],
        contract=row["contract"],
        provider=row["provider"],
        amount=Money(row["minor"], row["currency"]),
        created_ms=row["created_ms"],
        expires_ms=row["expires_ms"],
        due_ms=row["due_ms"],
        state=row["state"],
        reference=row["reference"],
        url=row["url"],
        looks=row["looks"],
        fence=row["fence"],
    )
