"""The clocks of a contract: their kinds, ranges and arithmetic; block time in Unix milliseconds only.

Every state that waits has a clock and a default (`docs/life-of-a-contract.md`, clocks). A clock fires in
the first block whose time has reached it, before that block's transactions.
"""

from typing import Final

from sps.escrow.state import Deadline
from sps.transactions.terms import DAY_MS, HOUR_MS

OFFER: Final = "offer"
PAY: Final = "pay"
TOPUP: Final = "topup"
PARK: Final = "park"
"""Subject: the payment whose parked money goes back."""
CANCEL: Final = "cancel"
SHIP: Final = "ship"
FIRST_SCAN: Final = "first_scan"
SILENCE: Final = "silence"
DELIVER: Final = "deliver"
"""Subject of these three: the parcel."""
INSPECTION: Final = "inspection"
RESERVE: Final = "reserve"
"""Subject of these two: the tranche."""
MAX_HOLD: Final = "max_hold"
QUOTE: Final = "quote"
"""Of a quote, not of a contract."""

PRESUMED_LOST_MS: Final = 15 * DAY_MS
"""After `deliver_by`, how long until a parcel counts as lost (D7)."""

QUOTE_REQUEST_MS: Final = 10 * 60_000
"""How long a quote request waits for a rate."""
QUOTE_LOCK_MS_MAX: Final = 300_000
"""Longest life of a locked rate (S2)."""

MINUTE_MS: Final = 60_000

RANGES: Final[dict[str, tuple[int, int]]] = {
    "offer_ttl": (DAY_MS, 30 * DAY_MS),
    "pay_ttl": (15 * MINUTE_MS, 20 * DAY_MS),
    "topup_ttl": (DAY_MS, 10 * DAY_MS),
    "ship_by": (DAY_MS, 90 * DAY_MS),
    "first_scan": (2 * DAY_MS, 15 * DAY_MS),
    "deliver_by": (DAY_MS, 90 * DAY_MS),
    "inspection": (MINUTE_MS, 30 * DAY_MS),
    "cancel_answer": (HOUR_MS, 3 * DAY_MS),
    "late_return": (HOUR_MS, 10 * DAY_MS),
    "max_hold": (2 * DAY_MS, 90 * DAY_MS),
}
"""Shortest and longest duration of each clock of the terms, in milliseconds."""

RESERVE_MS_MAX: Final = 540 * DAY_MS
"""Longest reserve: the longest reversal window of a card."""

_OUTLIVING: Final = frozenset({PARK, RESERVE})

Deadlines = tuple[Deadline, ...]


def armed(deadlines: Deadlines, due_ms: int, kind: str, subject: str = "") -> Deadlines:
    """With this clock running until `due_ms`; a clock has one deadline."""
    started = Deadline(due_ms, kind, subject)
    for i, deadline in enumerate(deadlines):
        if deadline.kind == kind and deadline.subject == subject:
            return (*deadlines[:i], *deadlines[i + 1 :], started)
    return (*deadlines, started)


def without_one(deadlines: Deadlines, kind: str, subject: str) -> Deadlines:
    """Without one clock."""
    for i, deadline in enumerate(deadlines):
        if deadline.kind == kind and deadline.subject == subject:
            return deadlines[:i] + deadlines[i + 1 :]
    return deadlines


def without_kinds(deadlines: Deadlines, kinds: tuple[str, ...]) -> Deadlines:
    """Without any clock of these kinds."""
    return tuple([deadline for deadline in deadlines if deadline.kind not in kinds])


def outliving(deadlines: Deadlines) -> Deadlines:
    """What still runs when all tranches are decided: parked money and reserves."""
    return tuple([deadline for deadline in deadlines if deadline.kind in _OUTLIVING])


def is_running(deadlines: Deadlines, kind: str) -> bool:
    """Tell whether a clock of this kind runs."""
    return any(deadline.kind == kind for deadline in deadlines)
