"""What one carrier message is worth, and what a set of them says: rank-based, forward-only, order-free.

Levels: L1 an unsigned push; L2 pulled or signed, for a tracking number bound at booking; L3 also the
destination equals the contract's and a document is named; L4 the buyer's own word. Taking the maximum of
ranks and levels and the minimum of caps makes order and repetition of messages irrelevant.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sps.escrow.refusals import CONFLICT, DUPLICATE, Refused
from sps.escrow.state import Parcel, ParcelState
from sps.transactions.terms import DAY_MS
from sps.transactions.values import ParcelStatus
from sps.transactions.vocabulary import ParcelEvidence

HINT, AUTHENTIC, PROVED, BUYERS_WORD = 1, 2, 3, 4
"""Levels L1 to L4."""

EVIDENCE_MAX: Final = 32
"""Messages kept by key for one parcel; later ones still count, only their repeats are not told."""

CLOCK_SKEW_MS: Final = DAY_MS
"""How far a carrier's own time may lie before the booking or after the block."""

_KEY_DIGITS: Final = 24


class Meaning(Struct, frozen=True, gc=False):
    """What a status does: the row of the table, its rank and the state it stands for."""

    row: str
    rank: int
    state: ParcelState
    needs_proof: bool = False
    """A mere hint of it moves nothing: it could take money from a party."""


MEANINGS: Final[dict[ParcelStatus, Meaning]] = {
    "label_created": Meaning("D4", 0, "booked"),
    "picked_up": Meaning("D4", 1, "handed_over"),
    "in_transit": Meaning("D4", 2, "in_transit"),
    "exception": Meaning("D4", 2, "exception"),
    "out_for_delivery": Meaning("D4", 3, "out_for_delivery"),
    "attempted": Meaning("D9", 3, "attempted"),
    "at_pickup": Meaning("D9", 4, "at_pickup"),
    "lost": Meaning("D8", 5, "lost", needs_proof=True),
    "delivered": Meaning("D11", 6, "delivered"),
    "damaged": Meaning("D8", 7, "damaged", needs_proof=True),
    "returning": Meaning("D14", 8, "returning", needs_proof=True),
    "returned": Meaning("D15", 9, "returned", needs_proof=True),
}
"""A parcel that is delivered and also damaged or returning is not delivered to the buyer as agreed."""


def level_of(fact: ParcelEvidence, ship_to: str) -> int:
    """The level of one message about a delivery, before any cap."""
    if fact.origin == "pushed":
        return HINT
    return PROVED if fact.ship_to == ship_to and fact.document is not None else AUTHENTIC


def cap_of(fact: ParcelEvidence, ship_to: str) -> int:
    """The highest level that a delivery can have once this message is known."""
    if fact.origin == "pushed":
        return BUYERS_WORD
    if fact.ship_to is not None and fact.ship_to != ship_to:
        return HINT  # D10: it goes somewhere else than agreed
    if fact.status == "delivered" and fact.handover not in {"recipient", "unknown"}:
        return AUTHENTIC  # a neighbour, a locker, a safe place, the household
    return BUYERS_WORD


def check_times(parcel: Parcel, fact: ParcelEvidence, now_ms: int) -> None:
    """Refuse what happened before the number was booked (a used number) or has not happened yet."""
    if fact.occurred_ms > now_ms + CLOCK_SKEW_MS:
        raise Refused("EVIDENCE_FROM_FUTURE")
    if fact.status != "label_created" and fact.occurred_ms < parcel.booked_ms - CLOCK_SKEW_MS:
        raise Refused("EVIDENCE_TOO_OLD")


def add(parcel: Parcel, fact: ParcelEvidence, ship_to: str, now_ms: int) -> Parcel:
    """The parcel with this message added to its set; a known message is refused as a repeat."""
    natural = f"{fact.status}.{fact.occurred_ms}.{fact.raw[:_KEY_DIGITS]}"
    key = f"{natural}|{_content(fact)}"
    for known in parcel.evidence:
        if known.startswith(natural):
            raise Refused(DUPLICATE if known == key else CONFLICT)
    kept = (*parcel.evidence, key) if len(parcel.evidence) < EVIDENCE_MAX else parcel.evidence
    meaning = MEANINGS[fact.status]
    said, said_ms, rank = parcel.said, parcel.said_ms, parcel.rank
    if _rules(parcel, meaning, fact):
        said, said_ms, rank = meaning.state, fact.occurred_ms, meaning.rank
    best = parcel.best
    if fact.status == "delivered":
        best = max(best, level_of(fact, ship_to))
    cap = min(parcel.cap, cap_of(fact, ship_to))
    scanned: ParcelState = "delivered" if parcel.received else said
    return replace(
        parcel,
        state=scanned if rank else parcel.state,
        said=said,
        said_ms=said_ms,
        rank=rank,
        best=best,
        cap=cap,
        level=BUYERS_WORD if parcel.received else min(best, cap),
        last_scan_ms=now_ms,
        delivered_ms=parcel.delivered_ms or (now_ms if said == "delivered" else 0),
        evidence=kept,
    )


def _rules(parcel: Parcel, meaning: Meaning, fact: ParcelEvidence) -> bool:
    """Tell whether this message outranks what was said; within a rank the later one does, then the name."""
    if meaning.rank == 0 or (meaning.needs_proof and fact.origin == "pushed"):
        return False
    return (meaning.rank, fact.occurred_ms, meaning.state) > (parcel.rank, parcel.said_ms, parcel.said)


def _content(fact: ParcelEvidence) -> str:
    return f"{fact.origin}.{fact.handover}.{(fact.ship_to or '')[:8]}.{(fact.document or '')[:8]}"
