"""The table of deadlines: what each clock is set to, within which bounds, and what it does when it fires."""

import inspect
import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import fields

from sps.escrow import clocks, conversion
from sps.escrow.decide import CLOCKS
from sps.transactions.terms import DAY_MS, HOUR_MS, Clocks
from sps_cli.documents.markdown import code, sentence, table
from sps_cli.documents.trials import trials

_UNITS: Final = ((DAY_MS, "d"), (HOUR_MS, "h"), (clocks.MINUTE_MS, "min"), (1_000, "s"))
_ROWS: Final = re.compile(r"^(?:[A-Z]\d+(?:, )?)+: ")
_SENTENCE: Final = re.compile(r"(^|[.] )([a-z])")


class Duration(Struct, frozen=True):
    """How long a clock runs: a term of the contract (or none), and what is added to it, in milliseconds."""

    term: str = ""
    added_ms: int = 0


DURATIONS: Final[dict[str, Duration]] = {
    clocks.OFFER: Duration("offer_ttl"),
    clocks.PAY: Duration("pay_ttl"),
    clocks.TOPUP: Duration("topup_ttl"),
    clocks.PARK: Duration("late_return"),
    clocks.CANCEL: Duration("cancel_answer"),
    clocks.SHIP: Duration("ship_by"),
    clocks.FIRST_SCAN: Duration("first_scan"),
    clocks.SILENCE: Duration("first_scan"),
    clocks.DELIVER: Duration("deliver_by", clocks.PRESUMED_LOST_MS),
    clocks.INSPECTION: Duration("inspection"),
    clocks.MAX_HOLD: Duration("max_hold"),
}
"""Clocks whose duration stands in the terms."""

STARTS: Final[dict[str, str]] = {
    clocks.OFFER: "the offer",
    clocks.PAY: "the acceptance",
    clocks.TOPUP: "the first part of the money, instead of `pay`",
    clocks.PARK: "the parked payment",
    clocks.CANCEL: "the buyer's request to cancel",
    clocks.SHIP: "all money being held; stopped when every parcel is booked",
    clocks.FIRST_SCAN: "the booking of the parcel; stopped by its hand-over",
    clocks.SILENCE: "each scan after the hand-over",
    clocks.DELIVER: "the hand-over of the parcel",
    clocks.INSPECTION: "the delivery of the tranche's last parcel",
    clocks.MAX_HOLD: "all money being held",
    clocks.RESERVE: "the release of the tranche",
    clocks.QUOTE: "the request; set anew by the lock",
}


def deadlines() -> str:
    """The table."""
    head = ("deadline", "runs from", "set by", "default", "range", "rows", "what it does")
    return table(head, _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    default = {field.name: field.default for field in fields(Clocks)}
    for kind, duration in DURATIONS.items():
        shortest, longest = clocks.RANGES[duration.term]
        added = f" and {spelled(duration.added_ms)}" if duration.added_ms else ""
        span = f"{spelled(shortest)} to {spelled(longest)}"
        yield _line(kind, code(f"clocks.{duration.term}") + added, spelled(default[duration.term]), span)
    yield _line(clocks.RESERVE, "`fees.reserve_ms`", "none", f"up to {spelled(clocks.RESERVE_MS_MAX)}")
    yield _line(
        clocks.QUOTE,
        "the network; `expires_ms` of the lock",
        spelled(clocks.QUOTE_REQUEST_MS),
        f"a lock up to {spelled(clocks.QUOTE_LOCK_MS_MAX)}",
    )


def _line(kind: str, set_by: str, default: str, span: str) -> tuple[str, ...]:
    return code(kind), STARTS[kind], set_by, default, span, rows_of(kind), what(kind)


def rows_of(kind: str) -> str:
    """The rows that fired in the trials of a clock."""
    fired = [row for trial in trials() if trial.event == f"deadline.{kind}" for row in trial.rules]
    return " ".join(dict.fromkeys(fired))


def what(kind: str) -> str:
    """What the function says that answers a clock."""
    act = CLOCKS.get(kind, conversion.expire)
    inner = inspect.getclosurevars(act).nonlocals.get("act", act)
    said = _ROWS.sub("", sentence(inspect.getdoc(inner) or ""))
    return _SENTENCE.sub(lambda found: found[1] + found[2].upper(), said)


def spelled(duration_ms: int) -> str:
    """A duration in its largest whole unit."""
    for unit_ms, name in _UNITS:
        if duration_ms and not duration_ms % unit_ms:
            return f"{duration_ms // unit_ms} {name}"
    return f"{duration_ms} ms"
