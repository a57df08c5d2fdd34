"""Watching: what a booked parcel's contract means for our interest in it. Pure.

We ask on until nothing that a carrier could still say matters to the contract, and forget the address when
the contract is closed.
"""

from typing import Literal

from sps.escrow.state import Contract, Parcel

Watch = Literal["booking", "booked", "settled", "closed", "replaced", "refused"]
"""`booking`: the chain has not answered yet. `booked`: watched. `settled`: delivered well enough, not polled.
`closed`: the contract is over, the address is erased. `replaced`: the contract has another number for the
parcel now. `refused`: the chain refused the booking."""

SPEAKING: frozenset[Watch] = frozenset({"booking", "booked", "settled"})
"""What a carrier says about such a parcel goes to the chain."""


def watch_of(contract: Contract, parcel_id: str, tag: str) -> Watch | None:
    """What the watch of this booking becomes; None when the contract gives no reason to change it."""
    if contract.closed_ms:
        return "closed"
    parcel = next((candidate for candidate in contract.parcels if candidate.id == parcel_id), None)
    if parcel is None or parcel.tag not in {"", tag}:
        return "replaced"
    return "settled" if _is_over(parcel, contract.terms.min_level) else None


def _is_over(parcel: Parcel, level_wanted: int) -> bool:
    """A weaker delivery than the terms want is asked for on: the proof often comes later."""
    if parcel.state == "delivered":
        return parcel.level >= level_wanted
    return parcel.state in {"returned", "lost"}
