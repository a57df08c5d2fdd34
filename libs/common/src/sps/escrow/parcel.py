"""The parcel machine: booking, scans, silence and loss (D1-D12, D14, D15). Evidence is not a decision.

What the messages of the carrier say is in `sps.escrow.evidence`; what follows for money in `tranche`.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sps.escrow import clocks, evidence
from sps.escrow.change import Change, Draft
from sps.escrow.header import is_settled
from sps.escrow.refusals import DUPLICATE, Refused
from sps.escrow.state import Contract, Parcel, ParcelState
from sps.escrow.tranche import HANDED_OVER_RANK, follow_parcels, refund_unshipped
from sps.escrow.view import ChainView
from sps.transactions.vocabulary import BookParcel, ParcelEvidence

_ARRIVED: Final = frozenset({"delivered", "damaged", "returned", "lost"})
"""States in which no clock of the parcel runs any more."""

_PARCEL_CLOCKS: Final = (clocks.FIRST_SCAN, clocks.SILENCE, clocks.DELIVER)


# --- booking -----------------------------------------------------------------------------------


class BookStep(Struct, frozen=True):
    """One transition of booking: its row and its guard."""

    row: str
    guard: Callable[[Parcel, BookParcel], None]


def _free(_parcel: Parcel, _fact: BookParcel) -> None:
    """No guard."""


def _not_scanned(parcel: Parcel, fact: BookParcel) -> None:
    if (parcel.carrier, parcel.tag) == (fact.carrier, fact.tag):
        raise Refused(DUPLICATE)
    if parcel.rank >= HANDED_OVER_RANK:
        raise Refused("PARCEL_SCANNED")


BOOKING: Final[dict[ParcelState, BookStep]] = {
    "planned": BookStep("D1", _free),
    "booked": BookStep("D2", _not_scanned),
}
"""State of the parcel to what a booking does; in every other state the parcel has been scanned."""

_SCANNED: Final = BookStep("", _not_scanned)


def book(view: ChainView, fact: BookParcel, now_ms: int) -> Change:
    """D1, D2: a tracking number, used once for ever, is bound to a parcel."""
    contract = view.contracts.get(fact.contract)
    if contract is None:
        raise Refused("UNKNOWN_CONTRACT")
    parcel = _named(contract, fact.parcel)
    step = BOOKING.get(parcel.state, _SCANNED)
    step.guard(parcel, fact)
    if contract.funding != "funded" or contract.agreement != "agreed":
        raise Refused("CONTRACT_ENDED" if is_settled(contract) else "NOT_FUNDED")
    if is_settled(contract):
        raise Refused("CONTRACT_ENDED")
    if fact.carrier not in contract.terms.carriers:
        raise Refused("UNKNOWN_CARRIER")
    bound = (contract.id, parcel.id)
    if view.tags.get(fact.tag, bound) != bound:
        raise Refused("TAG_USED")
    draft = Draft(view, contract, now_ms)
    draft.rule(step.row)
    booked = replace(
        parcel, state="booked", said="booked", carrier=fact.carrier, tag=fact.tag, booked_ms=now_ms
    )
    parcels = _with(contract.parcels, booked)
    running = contract.deadlines
    if "planned" not in [known.state for known in parcels]:
        running = clocks.without_one(running, clocks.SHIP, "")
    first_scan = now_ms + contract.terms.clocks.first_scan
    draft.put(parcels=parcels, deadlines=clocks.armed(running, first_scan, clocks.FIRST_SCAN, parcel.id))
    draft.tags.append((fact.tag, bound))
    return draft.finish()


def _named(contract: Contract, name: str) -> Parcel:
    for parcel in contract.parcels:
        if parcel.id == name:
            return parcel
    raise Refused("UNKNOWN_PARCEL")


def _with(parcels: tuple[Parcel, ...], changed: Parcel) -> tuple[Parcel, ...]:
    if len(parcels) == 1:
        return (changed,)
    return tuple([changed if parcel.id == changed.id else parcel for parcel in parcels])


# --- evidence ----------------------------------------------------------------------------------


def add_evidence(view: ChainView, fact: ParcelEvidence, now_ms: int) -> Change:
    """D4-D15: one message of the carrier is added to the set, and the money follows the set."""
    contract = view.contracts.get(fact.contract)
    if contract is None:
        raise Refused("UNKNOWN_CONTRACT")
    parcel = _named(contract, fact.parcel)
    if not parcel.tag:
        raise Refused("PARCEL_NOT_BOOKED")
    if fact.tag != parcel.tag or fact.carrier != parcel.carrier:
        raise Refused("TAG_DIFFERS")
    evidence.check_times(parcel, fact, now_ms)
    moved = evidence.add(parcel, fact, contract.terms.ship_to, now_ms)
    draft = Draft(view, contract, now_ms)
    _name_rows(draft, parcel, moved, fact)
    parcels = _with(contract.parcels, moved)
    if is_settled(contract):
        draft.put(parcels=parcels)
    else:
        draft.put(parcels=parcels, deadlines=_clocks_after(contract, parcel, moved, now_ms))
        follow_parcels(draft)
    return draft.finish()


def _name_rows(draft: Draft, before: Parcel, after: Parcel, fact: ParcelEvidence) -> None:
    draft.rule(evidence.MEANINGS[fact.status].row)
    if before.state == "silent":
        draft.rule("D6")
    if after.cap < before.cap and after.cap == evidence.HINT:
        draft.rule("D10")


def _clocks_after(contract: Contract, before: Parcel, after: Parcel, now_ms: int) -> clocks.Deadlines:
    """Start `deliver_by` at the hand-over, `silence` at each scan; stop all once it has arrived."""
    name, running = after.id, contract.deadlines
    if after.state in _ARRIVED:
        return tuple([d for d in running if d.subject != name or d.kind not in _PARCEL_CLOCKS])
    if after.rank < HANDED_OVER_RANK:
        return running
    limits = contract.terms.clocks
    running = clocks.without_one(running, clocks.FIRST_SCAN, name)
    running = clocks.armed(running, now_ms + limits.first_scan, clocks.SILENCE, name)
    if before.rank >= HANDED_OVER_RANK:
        return running
    latest = now_ms + limits.deliver_by + clocks.PRESUMED_LOST_MS
    return clocks.armed(running, latest, clocks.DELIVER, name)


# --- the clocks --------------------------------------------------------------------------------


def no_first_scan(draft: Draft, name: str) -> None:
    """D3: booked, never scanned: planned again; if the time to ship is over too, the money goes back."""
    if _move(draft, name, "planned") is None:
        return
    draft.rule("D3")
    contract = draft.contract
    ship_by = contract.funded_ms + contract.terms.clocks.ship_by
    if draft.now_ms >= ship_by:
        refund_unshipped(draft)
    else:
        draft.arm(clocks.SHIP, ship_by)


def silent(draft: Draft, name: str) -> None:
    """D5: no scan for long; nothing is decided, but everybody can see it."""
    if _move(draft, name, "silent") is not None:
        draft.rule("D5")


def presumed_lost(draft: Draft, name: str) -> None:
    """D7: far beyond `deliver_by`: presumed lost; the money stays held until `max_hold` gives it back."""
    if _move(draft, name, "lost") is not None:
        draft.rule("D7")
        draft.disarm_one(clocks.SILENCE, name)


def shipping_over(draft: Draft) -> None:
    """F21, F22: the time to ship is over."""
    refund_unshipped(draft)


def _move(draft: Draft, name: str, state: ParcelState) -> Parcel | None:
    """Set the state that a clock gives a parcel; what the carrier said stays said."""
    parcel = next((known for known in draft.contract.parcels if known.id == name), None)
    if parcel is None or parcel.state in _ARRIVED:
        return None
    moved = replace(parcel, state=state, said="planned" if state == "planned" else parcel.said)
    draft.put(parcels=_with(draft.contract.parcels, moved))
    return moved
