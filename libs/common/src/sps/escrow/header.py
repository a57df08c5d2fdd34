"""The one state that people see, derived from the machines and never stored (`docs/life-of-a-contract.md`).

A pure function of the contract: it can be recomputed from the chain at any time.
"""

from typing import Final, Literal

from msgspec import Struct

from sps.escrow.state import Contract

HeaderState = Literal[
    "OFFERED",
    "AGREED",
    "PART_FUNDED",
    "FUNDING_REVIEW",
    "FUNDED",
    "FULFILLING",
    "INSPECTION",
    "SETTLING",
    "CLOSED",
]
OPEN: Final = frozenset({"held", "inspection"})
"""States in which a tranche's money waits for a decision."""

_UNDER_WAY: Final = frozenset({"ordered", "held_by_provider", "manual"})
"""States in which a payout is at its provider, its end open."""

Outcome = Literal["", "released", "refunded", "split", "cancelled", "expired", "declined"]


class Header(Struct, frozen=True, gc=False):
    """What is shown; `outcome` is empty until the state is SETTLING or CLOSED."""

    state: HeaderState
    outcome: Outcome = ""


def header_of(contract: Contract) -> Header:
    """Derive the header state of a contract."""
    if contract.closed_ms:
        return Header("CLOSED", outcome_of(contract))
    if contract.agreement == "offered":
        return Header("OFFERED")
    if is_settled(contract):
        return Header("SETTLING", outcome_of(contract))
    if contract.funding == "part_funded":
        return Header("PART_FUNDED")
    if contract.funding == "unfunded":
        return Header("FUNDING_REVIEW" if contract.parked else "AGREED")
    return Header(_delivery_state(contract))


def outcome_of(contract: Contract) -> Outcome:
    """How it ended: by what happened to the tranches' money, else by why there was none."""
    released = any(tranche.state == "released" for tranche in contract.tranches)
    refunded = any(tranche.state == "refunded" for tranche in contract.tranches)
    if released or refunded:
        return "split" if released and refunded else "released" if released else "refunded"
    match contract.agreement:
        case "declined":
            return "declined"
        case "expired":
            return "expired"
        case _:
            return "cancelled"


def is_settled(contract: Contract) -> bool:
    """Tell whether every tranche is decided, or will never be funded."""
    for tranche in contract.tranches:  # a plain loop: this is asked for every fact
        if tranche.state in OPEN:
            return False
    return contract.funding == "funded" or contract.agreement not in {"offered", "agreed"}


def is_done(contract: Contract) -> bool:
    """Tell whether nothing of a settled contract is under way at a provider any more."""
    for refund in contract.refunds:
        if refund.state == "ordered":
            return False
    for link in contract.payouts:  # noqa: SIM110 plain loops: a generator costs more than what it looks at
        if link.state in _UNDER_WAY:
            return False
    return True


def _delivery_state(contract: Contract) -> HeaderState:
    if any(tranche.state == "inspection" for tranche in contract.tranches):
        return "INSPECTION"
    if any(parcel.state != "planned" for parcel in contract.parcels):
        return "FULFILLING"
    return "FUNDED"
