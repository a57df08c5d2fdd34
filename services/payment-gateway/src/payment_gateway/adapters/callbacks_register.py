"""The inbox of callbacks: raw bytes first, a verdict later, refused ones only as a bounded sample."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_gateway.adapters.tables import callback as callback_table
from payment_gateway.adapters.tables import outgoing, payment, payment_hint
from payment_gateway.application.ports import Hint, RawCallback
from payment_gateway.application.register import CallbackEnd, StoredCallback
from payment_gateway.core.payout import UNHURRIED_STATES
from payment_gateway.core.words import is_reference
from sps.runtime.database import Database

SAMPLES_MAX: Final = 100
SAMPLE_BYTES: Final = 2048
SAMPLE_AGE_MS: Final = 7 * 86_400_000
EVENT_KEY_MAX: Final = 128

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

    async def refuse_callback(self, callback: int, code: str, now_ms: int) -> None:
        async with self._database.transaction() as connection:
            body = await connection.scalar(select(_row.body).where(_row.id == callback))
            await connection.execute(
                update(callback_table)
                .where(_row.id == callback)
                .values(verdict="refused", code=code, body=bytes(body or b"")[:SAMPLE_BYTES])
            )
            await _trim(connection, now_ms)

    async def waiting_callbacks(self, limit: int) -> list[StoredCallback]:
        query = select(callback_table).where(_row.verdict == "received").order_by(_row.id).limit(limit)
        async with self._database.reading() as connection:
            return [_stored(row) for row in (await connection.execute(query)).mappings()]

    async def finish_callback(self, stored: StoredCallback, hint: Hint, now_ms: int) -> CallbackEnd:
        async with self._database.transaction() as connection:
            key = hint.event_key[:EVENT_KEY_MAX] or None
            if key is not None and await _seen(connection, stored, key):
                end: CallbackEnd = "repeat"
                key = None
            else:
                end = "done" if await _hurry(connection, stored.provider, hint, now_ms) else "unknown"
            await connection.execute(
                update(callback_table).where(_row.id == stored.id).values(verdict=end, event_key=key)
            )
        return end


async def _seen(connection: AsyncConnection, stored: StoredCallback, key: str) -> bool:
    query = select(_row.id).where(_row.provider == stored.provider, _row.event_key == key)
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
    mine = (payment_hint.c.payment == hint.subject, payment_hint.c.reference == hint.reference)
    if await connection.scalar(select(payment_hint.c.payment).where(*mine)) is None:
        row = {"payment": hint.subject, "reference": hint.reference}
        await connection.execute(insert(payment_hint).values(row))


async def _trim(connection: AsyncConnection, now_ms: int) -> None:
    refused = _row.verdict == "refused"
    await connection.execute(delete(callback_table).where(refused, _row.received_ms < now_ms - SAMPLE_AGE_MS))
    query = select(_row.id).where(refused).order_by(_row.id.desc()).offset(SAMPLES_MAX).limit(1)
    newest_over = await connection.scalar(query)
    if newest_over is not None:
        await connection.execute(delete(callback_table).where(refused, _row.id <= newest_over))


def _stored(row: Mapping[Any, Any]) -> StoredCallback:
    headers = tuple((name, value) for name, value in json.loads(row["headers"]))
    return StoredCallback(row["id"], row["provider"], RawCallback(row["body"], headers, row["received_ms"]))
