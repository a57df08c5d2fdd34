"""Carriers' messages in the database, inside one transaction."""

from typing import Any, Final

import msgspec
from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from carrier_gateway.adapters import tables
from carrier_gateway.application.store_port import Inbound, Sample

SAMPLES_MAX: Final = 200
SAMPLE_AGE_MS_MAX: Final = 7 * 86_400_000

_row: Final = tables.inbound.c
_sample: Final = tables.refused_sample.c


class InboundRecords:
    """The part of a `Unit` that is about messages."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def keep_inbound(self, message: Inbound) -> bool:
        return await self._insert(message, due_ms=message.received_ms, handled_ms=None, outcome="")

    async def keep_answer(self, message: Inbound) -> None:
        await self._insert(message, due_ms=None, handled_ms=message.received_ms, outcome="evidence")

    async def due_inbound(self, carrier: str, now_ms: int, limit: int) -> list[Inbound]:
        due = select(tables.inbound).where(_row.carrier == carrier, _row.due_ms <= now_ms)
        return [
            _inbound(row) for row in await self._connection.execute(due.order_by(_row.position).limit(limit))
        ]

    async def hold_inbound(self, position: int) -> bool:
        waits = select(_row.position).where(_row.position == position, _row.due_ms.is_not(None))
        return await self._connection.scalar(waits.with_for_update(skip_locked=True)) is not None

    async def finish_inbound(self, position: int, outcome: str, now_ms: int) -> None:
        await self._change(position, due_ms=None, handled_ms=now_ms, outcome=outcome)

    async def postpone_inbound(self, position: int, attempts: int, due_ms: int) -> None:
        await self._change(position, attempts=attempts, due_ms=due_ms)

    async def keep_sample(self, sample: Sample) -> None:
        """The bound is on number, age and size; the flood's newest are as telling as its first."""
        values = {name: getattr(sample, name) for name in Sample.__struct_fields__ if name != "headers"}
        added = insert(tables.refused_sample).values(headers=_headers(sample.headers), **values)
        await self._connection.execute(added)
        newest = (await self._connection.execute(select(func.max(_sample.position)))).scalar_one()
        old = (_sample.position <= newest - SAMPLES_MAX) | (
            _sample.received_ms < sample.received_ms - SAMPLE_AGE_MS_MAX
        )
        await self._connection.execute(delete(tables.refused_sample).where(old))

    async def _insert(self, message: Inbound, **state: Any) -> bool:
        values = {
            "carrier": message.carrier,
            "dedupe_key": message.key,
            "verdict": message.origin,
            "sha256": message.sha256,
            "body": message.body,
            "headers": _headers(message.headers),
            "received_ms": message.received_ms,
            "attempts": 0,
            **state,
        }
        wish = insert(tables.inbound).values(**values)
        key = [_row.carrier, _row.dedupe_key]
        # Whoever brings the same message at the same moment waits until the first one is durable.
        done = await self._connection.execute(wish.on_conflict_do_nothing(index_elements=key))
        return bool(done.rowcount)

    async def _change(self, position: int, **changes: Any) -> None:
        await self._connection.execute(
            update(tables.inbound).where(_row.position == position).values(**changes)
        )


def _headers(headers: tuple[tuple[str, str], ...]) -> str:
    return msgspec.json.encode(headers).decode()


def _inbound(row: Row[Any]) -> Inbound:
    return Inbound(
        carrier=row.carrier,
        key=row.dedupe_key,
        origin=row.verdict,
        sha256=row.sha256,
        body=row.body,
        headers=tuple((name, value) for name, value in msgspec.json.decode(row.headers)),
        received_ms=row.received_ms,
        position=row.position,
        attempts=row.attempts,
    )
