"""The tranche machine: held, inspection, then released or refunded, once (`docs/life-of-a-contract.md`).

A tranche waits for all its parcels. What the set of their evidence says decides; the order in which it
came does not. Rows: M1, M2, M5, M6, M7, M13, M14, D12, F22.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from sps.escrow import clocks
from sps.escrow.change import Change, Draft
from sps.escrow.header import OPEN
from sps.escrow.refund import refund_tranches
from sps.escrow.refusals import DUPLICATE, Refused
from sps.escrow.release import release
from sps.escrow.state import Contract, Parcel, TrancheMoney
from sps.escrow.view import ChainView
from sps.transactions.vocabulary import AcceptGoods

AUTOMATIC_LEVEL: Final = 2
"""Lowest level at which silence releases (M6); a hint alone never does, it waits for more (M7)."""

PERIODS_MAX: Final = 2
"""Inspection periods on weak evidence; afterwards the tranche waits for evidence, the buyer or `max_hold`."""
BUYERS_WORD: Final = 4
"""The level of the buyer's own word (D12)."""

HANDED_OVER_RANK: Final = 1


def parcels_of(contract: Contract, tranche_id: str) -> tuple[Parcel, ...]:
    """The parcels that a tranche waits for."""
    agreed = contract.terms.tranches
    if len(agreed) == 1:
        return contract.parcels
    names: tuple[str, ...] = ()
    for tranche in agreed:
        if tranche.id == tranche_id:
            names = tranche.parcels
    return tuple([parcel for parcel in contract.parcels if parcel.id in names])


def delivered_level(contract: Contract, tranche: TrancheMoney) -> int | None:
    """The weakest evidence level of the tranche's parcels; None while one of them is not delivered."""
    lowest = BUYERS_WORD
    for parcel in parcels_of(contract, tranche.id):
        if parcel.state != "delivered":
            return None
        lowest = min(lowest, parcel.level)
    return lowest


# --- when parcels have moved -------------------------------------------------------------------


def follow_parcels(draft: Draft, accepted: Sequence[tuple[TrancheMoney, str]] = ()) -> None:
    """Let every open tranche follow its parcels: M1, M2, or back to held when one turned around.

    What the buyer accepted is released with them, since a cause has one journal of a kind.
    """
    ready = list(accepted)
    words = [tranche.id for tranche, _ in accepted]
    for tranche in draft.contract.tranches:
        if tranche.state in OPEN and tranche.id not in words:
            rule = _follow(draft, tranche)
            if rule:
                ready.append((tranche, rule))
    if ready:
        for tranche, _ in ready:
            if tranche.state == "inspection":
                draft.disarm_one(clocks.INSPECTION, tranche.id)
        release(draft, ready)


def _follow(draft: Draft, tranche: TrancheMoney) -> str:
    """The row that releases the tranche now; empty when it waits, with its clock set right."""
    terms = draft.contract.terms
    level = delivered_level(draft.contract, tranche)
    if level is None:
        if tranche.state == "inspection":
            _wait_again(draft, tranche)
    elif terms.release == "on_delivery" and level >= terms.min_level:
        return "M1"
    elif tranche.state == "held":
        _inspect(draft, tranche, "M2")
    elif tranche.periods > PERIODS_MAX and level >= AUTOMATIC_LEVEL:
        return "M6"
    return ""


def _inspect(draft: Draft, tranche: TrancheMoney, rule: str) -> None:
    """Begin an inspection period; the clock runs on block time."""
    draft.rule(rule)
    _put_tranche(draft, replace(tranche, state="inspection", periods=tranche.periods + 1))
    draft.arm(clocks.INSPECTION, draft.now_ms + draft.contract.terms.clocks.inspection, tranche.id)


def _wait_again(draft: Draft, tranche: TrancheMoney) -> None:
    """A parcel that counted as delivered turned around or is damaged: held until `max_hold`."""
    draft.disarm_one(clocks.INSPECTION, tranche.id)
    _put_tranche(draft, replace(tranche, state="held", periods=0))


def _put_tranche(draft: Draft, tranche: TrancheMoney) -> None:
    tranches = draft.contract.tranches
    draft.put(tranches=tuple([tranche if old.id == tranche.id else old for old in tranches]))


# --- the buyer ---------------------------------------------------------------------------------

ACCEPT_ROWS: Final = {"held": "M13", "inspection": "M5"}
"""State of a tranche to the row by which the buyer's word releases it."""


def accept_goods(view: ChainView, fact: AcceptGoods, now_ms: int) -> Change:
    """M5, M13, D12: the buyer releases held money, early or after looking."""
    contract = view.contracts.get(fact.contract)
    if contract is None:
        raise Refused("UNKNOWN_CONTRACT")
    chosen = _named(contract, fact.tranches)
    if contract.funding != "funded":
        raise Refused("CONTRACT_ENDED" if contract.closed_ms else "NOT_FUNDED")
    open_ = [tranche for tranche in chosen if tranche.state in ACCEPT_ROWS]
    if not open_:
        released = all(tranche.state == "released" for tranche in chosen)
        raise Refused(DUPLICATE if released else "TRANCHE_DECIDED")
    draft = Draft(view, contract, now_ms)
    _mark_received(draft, open_)
    follow_parcels(draft, [(tranche, ACCEPT_ROWS[tranche.state]) for tranche in open_])
    return draft.finish()


def _named(contract: Contract, names: tuple[str, ...]) -> list[TrancheMoney]:
    if not names:
        return list(contract.tranches)
    chosen = [tranche for tranche in contract.tranches if tranche.id in names]
    if len(chosen) != len(set(names)):
        raise Refused("UNKNOWN_TRANCHE")
    return chosen


def _mark_received(draft: Draft, tranches: list[TrancheMoney]) -> None:
    """D12: parcels of these tranches that are under way have arrived, by the buyer's own word."""
    names = {parcel.id for tranche in tranches for parcel in parcels_of(draft.contract, tranche.id)}
    moved = tuple(
        _received(parcel, draft.now_ms) if parcel.id in names and _is_under_way(parcel) else parcel
        for parcel in draft.contract.parcels
    )
    if moved != draft.contract.parcels:
        draft.rule("D12")
        draft.put(parcels=moved)
        for name in sorted(names):
            draft.disarm_one(clocks.SILENCE, name)
            draft.disarm_one(clocks.DELIVER, name)


def _is_under_way(parcel: Parcel) -> bool:
    return parcel.rank >= HANDED_OVER_RANK and parcel.state not in {"delivered", "returning", "returned"}


def _received(parcel: Parcel, now_ms: int) -> Parcel:
    return replace(
        parcel,
        state="delivered",
        received=True,
        level=BUYERS_WORD,
        delivered_ms=parcel.delivered_ms or now_ms,
    )


# --- the clocks --------------------------------------------------------------------------------


def inspection_over(draft: Draft, tranche_id: str) -> None:
    """M6: silence releases. M7: on a hint alone it does not; after two periods the tranche waits for more."""
    tranche = next((t for t in draft.contract.tranches if t.id == tranche_id), None)
    if tranche is None or tranche.state != "inspection":
        return
    level = delivered_level(draft.contract, tranche)
    if level is None:
        _wait_again(draft, tranche)
    elif level >= AUTOMATIC_LEVEL:
        release(draft, [(tranche, "M6")])
    elif tranche.periods < PERIODS_MAX:
        _inspect(draft, tranche, "M7")
    else:
        draft.rule("M7")
        _put_tranche(draft, replace(tranche, periods=PERIODS_MAX + 1))


def longest_hold_over(draft: Draft) -> None:
    """M14: nothing is held beyond `max_hold`: what is surely delivered is released, the rest goes back."""
    draft.disarm(clocks.INSPECTION)
    contract = draft.contract
    open_ = [tranche for tranche in contract.tranches if tranche.state in OPEN]
    sure = [tranche for tranche in open_ if (delivered_level(contract, tranche) or 0) >= AUTOMATIC_LEVEL]
    if sure:
        release(draft, [(tranche, "M6") for tranche in sure])
    back = [tranche for tranche in open_ if tranche not in sure]
    if back:
        refund_tranches(draft, back, "M14")


def refund_unshipped(draft: Draft) -> None:
    """F21, F22: what waits for a parcel that was not even booked in time goes back to the buyer."""
    contract = draft.contract
    missing = [
        tranche
        for tranche in contract.tranches
        if tranche.state == "held"
        and any(parcel.state == "planned" for parcel in parcels_of(contract, tranche.id))
    ]
    if missing:
        shipped = any(parcel.state != "planned" for parcel in contract.parcels)
        refund_tranches(draft, missing, "F22" if shipped else "F21")
