"""The inbox of callbacks: raw bytes first, a verdict later, refused ones only as a bounded sample."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_gateway.adapters.tables import callback as callback_table
from payment_gateway.adapters.tables import outgoing, payment, payment_hint
from payment_gateway.application.ports import Hint, RawCallback
from payment_gateway.application.register import CallbackEnd, StoredCallback
from payment_gateway.core.payout import UNHURRIED_STATES
from payment_gateway.core.words import is_reference
from sps.runtime.database import Database, one_at_a_time

SAMPLES_MAX: Final = 100
SAMPLE_BYTES: Final = 2048
SAMPLE_AGE_MS: Final = 7 * 86_400_000
TRIM_MAX: Final = 500
"""Samples taken away at once; every refusal takes more away than it adds."""

_row: Final = callback_table.c


class SqlCallbackRegister:
    """`CallbackRegister`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep_callback(self, provider: str, callback: RawCallback) -> int:
        async with self._database.transaction() as connection:
            written = await connection.execute(
                insert(callback_table)
                .values(
                    provider=provider,
                    received_ms=callback.received_ms,
                    headers=json.dumps(callback.headers),
                    body=callback.body,
                    verdict="received",
                    code="",
                )
                .returning(_row.id)
            )
            return int(written.scalar_one())

    async def refuse_callback(self, callback: int, code: str, now_ms: int) -> bool:
        async with self._database.transaction() as connection:
            if not await _waits(connection, callback):
                return False
            body = await connection.scalar(select(_row.body).where(_row.id == callback))
            await connection.execute(
                update(callback_table)
                .where(_row.id == callback)
                .values(verdict="refused", code=code, body=bytes(body or b"")[:SAMPLE_BYTES])
            )
            await _trim(connection, now_ms)
        return True

    async def waiting_callbacks(self, limit: int) -> list[StoredCallback]:
        query = select(callback_table).where(_row.verdict == "received").order_by(_row.id).limit(limit)
        async with self._database.reading() as connection:
            return [_stored(row) for row in (await connection.execute(query)).mappings()]

    async def finish_callback(self, stored: StoredCallback, hint: Hint, now_ms: int) -> CallbackEnd:
        key = hint.event_key or None
        end: CallbackEnd = "repeat"
        async with self._database.transaction() as connection:
            if not await _waits(connection, stored.id):
                return end
            if key is not None and await _seen(connection, stored.provider, key):
                key = None
            else:
                end = "done" if await _hurry(connection, stored.provider, hint, now_ms) else "unknown"
            await connection.execute(
                update(callback_table).where(_row.id == stored.id).values(verdict=end, event_key=key)
            )
        return end


async def _waits(connection: AsyncConnection, callback: int) -> bool:
    """Lock the row; tell whether nobody else has finished it."""
    query = select(_row.verdict).where(_row.id == callback).with_for_update()
    return await connection.scalar(query) == "received"


async def _seen(connection: AsyncConnection, provider: str, key: str) -> bool:
    """Whether the event was handled; who asks at the same moment waits for the first to be written."""
    await one_at_a_time(connection, f"event {provider} {key}")
    query = select(_row.id).where(_row.provider == provider, _row.event_key == key)
    return await connection.scalar(query) is not None


async def _hurry(connection: AsyncConnection, provider: str, hint: Hint, now_ms: int) -> bool:
    """`core.payout.hurry` as one statement: a query becomes due, never a sending."""
    if hint.kind == "payment":
        table, resting = payment, frozenset[str]()
    elif hint.kind == "order":
        table, resting = outgoing, UNHURRIED_STATES
    else:
        return False
    mine = (table.c.id == hint.subject, table.c.provider == provider)
    if await connection.scalar(select(table.c.id).where(*mine)) is None:
        return False
    if hint.kind == "payment" and is_reference(hint.reference):
        await _note_reference(connection, hint)
    await connection.execute(
        update(table)
        .where(*mine, table.c.due_ms > now_ms, table.c.state.not_in(resting))
        .values(due_ms=now_ms)
    )
    return True


async def _note_reference(connection: AsyncConnection, hint: Hint) -> None:
    row = insert(payment_hint).values(payment=hint.subject, reference=hint.reference)
    key = [payment_hint.c.payment, payment_hint.c.reference]
    await connection.execute(row.on_conflict_do_nothing(index_elements=key))


async def _trim(connection: AsyncConnection, now_ms: int) -> None:
    """What another transaction is just taking away is left to it: nobody waits in a flood of forgeries."""
    refused = _row.verdict == "refused"
    newest = select(_row.id).where(refused).order_by(_row.id.desc())
    newest_over = await connection.scalar(newest.offset(SAMPLES_MAX).limit(1)) or 0
    old = or_(_row.id <= newest_over, _row.received_ms < now_ms - SAMPLE_AGE_MS)
    query = select(_row.id).where(refused, old).limit(TRIM_MAX).with_for_update(skip_locked=True)
    names = (await connection.execute(query)).scalars().all()
    if names:
        await connection.execute(delete(callback_table).where(_row.id.in_(names)))


def _stored(row: Mapping[Any, Any]) -> StoredCallback:
    headers = tuple((name, value) for name, value in json.loads(row["headers"]))
    return StoredCallback(row["id"], row["provider"], RawCallback(row["body"], headers, row["received_ms"]))
