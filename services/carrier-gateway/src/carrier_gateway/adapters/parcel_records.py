"""Parcels and given evidence in the database, inside one transaction.

SQLite reads PostgreSQL's ON CONFLICT as it is, and has no need of FOR UPDATE.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from carrier_gateway.adapters import tables
from carrier_gateway.application.store_port import AlreadyThere, Parcel
from carrier_gateway.core.normal_forms import Destination
from carrier_gateway.core.tracking import Evidence

NAMES_PER_QUERY: Final = 400
"""Parameters of one IN; SQLite allows 999 of old."""
ENDED: Final = ("closed", "replaced", "refused")

_row: Final = tables.parcel.c


class ParcelRecords:
    """The part of a `Unit` that is about parcels."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def parcel_for_change(self, carrier: str, number: str) -> Parcel | None:
        return await self._one(_of_number(carrier, number).with_for_update())

    async def parcel_of_number(self, carrier: str, number: str) -> Parcel | None:
        return await self._one(_of_number(carrier, number))

    async def newest_parcel(self, contract: str, parcel: str) -> Parcel | None:
        named = select(tables.parcel).where(_row.contract == contract, _row.parcel == parcel)
        return await self._one(named.order_by(_row.created_ms.desc(), _row.tag).limit(1))

    async def parcels_concerned(self, contracts: Sequence[str], bookings: Sequence[str]) -> list[Parcel]:
        found: dict[str, Parcel] = {}
        for names, column in ((contracts, _row.contract), (bookings, _row.booking)):
            for start in range(0, len(names), NAMES_PER_QUERY):
                some = names[start : start + NAMES_PER_QUERY]
                query = select(tables.parcel).where(column.in_(some), _row.watch.not_in(ENDED))
                for parcel in await self._many(query.order_by(_row.tag).with_for_update()):
                    found[parcel.tag] = parcel
        return list(found.values())

    async def add_parcel(self, parcel: Parcel) -> None:
        wish = insert(tables.parcel).values(**_columns(parcel)).on_conflict_do_nothing()
        # The second writer of a number waits here for the end of the first one's transaction.
        if not (await self._connection.execute(wish)).rowcount:
            raise AlreadyThere

    async def save_parcel(self, parcel: Parcel) -> None:
        changed = update(tables.parcel).where(_row.tag == parcel.tag).values(**_columns(parcel))
        await self._connection.execute(changed)

    async def due_subscriptions(self, carrier: str, now_ms: int, limit: int) -> list[Parcel]:
        return await self._due(carrier, _row.subscribe_due_ms, now_ms, limit)

    async def due_polls(self, carrier: str, now_ms: int, limit: int) -> list[Parcel]:
        return await self._due(carrier, _row.poll_due_ms, now_ms, limit)

    async def given(self, tag: str) -> tuple[Evidence, ...]:
        found = await self._connection.execute(
            select(tables.evidence).where(tables.evidence.c.tag == tag).order_by(tables.evidence.c.id)
        )
        return tuple(
            Evidence(row.status, row.occurred_ms, row.origin, row.ship_to, row.document, row.handover)
            for row in found
        )

    async def note_given(self, tag: str, facts: Sequence[Evidence], raw: str, now_ms: int) -> None:
        rows = [
            {
                "tag": tag,
                "status": fact.status,
                "occurred_ms": fact.occurred_ms,
                "origin": fact.origin,
                "ship_to": fact.ship_to,
                "document": fact.document,
                "handover": fact.handover,
                "raw": raw,
                "given_ms": now_ms,
            }
            for fact in facts
        ]
        if rows:
            await self._connection.execute(insert(tables.evidence), rows)

    async def forget_given(self, tag: str) -> None:
        await self._connection.execute(delete(tables.evidence).where(tables.evidence.c.tag == tag))

    async def _due(self, carrier: str, column: Any, now_ms: int, limit: int) -> list[Parcel]:
        due = select(tables.parcel).where(_row.carrier == carrier, column <= now_ms)
        return await self._many(due.order_by(column, _row.tag).limit(limit))

    async def _one(self, query: Select[Any]) -> Parcel | None:
        row = (await self._connection.execute(query)).first()
        return None if row is None else _parcel(row)

    async def _many(self, query: Select[Any]) -> list[Parcel]:
        return [_parcel(row) for row in await self._connection.execute(query)]


def _of_number(carrier: str, number: str) -> Select[Any]:
    return select(tables.parcel).where(_row.carrier == carrier, _row.number == number)


_PLAIN: Final = tuple(name for name in Parcel.__struct_fields__ if name != "destination")


def _columns(parcel: Parcel) -> dict[str, Any]:
    place = parcel.destination
    return {name: getattr(parcel, name) for name in _PLAIN} | {
        "country": place.country if place else None,
        "postcode": place.postcode if place else None,
    }


def _parcel(row: Row[Any]) -> Parcel:
    place = Destination(row.country, row.postcode) if row.country and row.postcode else None
    return Parcel(destination=place, **{name: getattr(row, name) for name in _PLAIN})
