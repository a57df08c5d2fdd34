"""Giving evidence: from an observation to transactions, inside the caller's database transaction.

What was given before and what is given now are read and written under one lock; the identifier of a
transaction follows from its content, so that a crash and a repeat give the same transaction again.
"""

import hashlib

from carrier_gateway.application.store_port import Parcel, Unit
from carrier_gateway.core.normal_forms import as_booked, ship_to
from carrier_gateway.core.tracking import Evidence, Observation, news
from carrier_gateway.core.watching import SPEAKING
from sps import identifiers
from sps.transactions.values import EvidenceOrigin
from sps.transactions.vocabulary import ParcelEvidence


async def give(
    unit: Unit, parcel: Parcel, observation: Observation, origin: EvidenceOrigin, raw: str, now_ms: int
) -> tuple[Evidence, ...]:
    """Give what is new. The caller locked `parcel`; `raw` is the hex SHA-256 of the carrier's message."""
    if parcel.watch not in SPEAKING:
        return ()
    given = await unit.given(parcel.tag)
    facts = news(observation, origin, commitment_for(parcel, observation), given, now_ms)
    await unit.note_given(parcel.tag, facts, raw, now_ms)
    await unit.submit(*(transaction_of(parcel, fact, raw) for fact in facts))
    return facts


def commitment_for(parcel: Parcel, observation: Observation) -> str | None:
    """The contract's commitment, recomputed with its salt from where the carrier says the parcel goes."""
    if parcel.salt is None or observation.destination is None:
        return None
    return ship_to(as_booked(parcel.destination, observation.destination), parcel.salt)


def transaction_of(parcel: Parcel, fact: Evidence, raw: str) -> ParcelEvidence:
    """The fact as a transaction; one identifier per content."""
    named = (parcel.tag, parcel.contract, parcel.parcel, str(parcel.bookings), raw, fact.handover)
    said = (fact.status, str(fact.occurred_ms), fact.origin, fact.ship_to or "", fact.document or "")
    content = "|".join(("evidence", *named, *said))
    return ParcelEvidence(
        id=identifiers.derived(identifiers.EVENT, hashlib.sha256(content.encode()).digest()),
        contract=parcel.contract,
        parcel=parcel.parcel,
        carrier=parcel.carrier,
        tag=parcel.tag,
        status=fact.status,
        origin=fact.origin,
        occurred_ms=fact.occurred_ms,
        raw=raw,
        ship_to=fact.ship_to,
        document=fact.document,
        handover=fact.handover,
    )
