"""Tracking: which evidence a carrier's message gives, after everything that was already given.

The rules:

1. One fact per status and message, the newest of that status; facts leave in order of the carrier's time.
2. A fact that an earlier one covers (same status, not earlier, not weaker) is not given again.
3. After a delivery that was not a mere hint, progress ("in transit") says nothing more. What contradicts a
   delivery (returning, lost, damaged) always goes on: the contract, not the gateway, judges.
4. A time that lies further ahead than a lost time zone explains is held back until it has come.
5. Only a delivery carries the destination's commitment and the document's hash.
6. A delivery after the carrier began to return the parcel is a delivery to the sender: `returned` (D15).

Pure. The level of a fact is derived by the contract (`docs/life-of-a-contract.md`, evidence levels).
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from carrier_gateway.core.normal_forms import Destination
from sps.transactions.values import EvidenceOrigin, Handover, ParcelStatus

FUTURE_MS_MAX: Final = 14 * 3_600_000
"""Some carriers write local times without a zone; UTC+14 is the furthest. The contract allows a day."""
FACTS_PER_STATUS_MAX: Final = 40
"""Of one parcel and one strength, for ever. A delivery needs far less; a babbling carrier stops here."""

ORIGIN_STRENGTH: Final[dict[EvidenceOrigin, int]] = {"pushed": 1, "pulled": 2, "signed": 2}
PROGRESS: Final[frozenset[ParcelStatus]] = frozenset(
    {"label_created", "picked_up", "in_transit", "out_for_delivery", "attempted", "at_pickup"}
)
_RANK: Final[dict[ParcelStatus, int]] = {
    "label_created": 0,
    "picked_up": 1,
    "in_transit": 2,
    "exception": 3,
    "out_for_delivery": 4,
    "attempted": 5,
    "at_pickup": 6,
    "delivered": 7,
    "damaged": 8,
    "returning": 9,
    "returned": 10,
    "lost": 11,
}
"""Breaks ties between scans of one moment, so that the order never depends on the message's."""


class Scan(Struct, frozen=True):
    """One thing that a carrier says happened, at `occurred_ms` by the carrier's own clock."""

    status: ParcelStatus
    occurred_ms: int
    handover: Handover = "unknown"


class Observation(Struct, frozen=True):
    """What one message says about one parcel, in our words."""

    number: str
    """Tracking number in normal form."""
    scans: tuple[Scan, ...] = ()
    destination: Destination | None = None
    document: str | None = None
    """Hex SHA-256 of the proof of delivery."""
    unknown_words: tuple[str, ...] = ()
    """Statuses that we have no word for: counted, never guessed."""


class Evidence(Struct, frozen=True):
    """One fact for the chain, without the names of contract and parcel."""

    status: ParcelStatus
    occurred_ms: int
    origin: EvidenceOrigin
    ship_to: str | None = None
    document: str | None = None
    handover: Handover = "unknown"


def news(
    observation: Observation,
    origin: EvidenceOrigin,
    ship_to: str | None,
    given: Iterable[Evidence],
    now_ms: int,
) -> tuple[Evidence, ...]:
    """The facts to give for this observation, oldest first; `ship_to` commits to its destination."""
    known = tuple(given)
    scans = tuple(scan for scan in observation.scans if scan.occurred_ms <= now_ms + FUTURE_MS_MAX)
    turned_ms = _turned_ms(scans, origin, known)
    newest = _newest_per_status(_back_home(scan, turned_ms) for scan in scans)
    candidates = (_evidence(scan, origin, ship_to, observation.document) for scan in newest)
    fresh = [fact for fact in candidates if _says_something(fact, known)]
    return tuple(sorted(fresh, key=lambda fact: (fact.occurred_ms, _RANK[fact.status])))


def covers(old: Evidence, new: Evidence) -> bool:
    """Tell whether `old` already says everything that `new` says."""
    return (
        old.status == new.status
        and old.occurred_ms >= new.occurred_ms
        and ORIGIN_STRENGTH[old.origin] >= ORIGIN_STRENGTH[new.origin]
        and new.ship_to in {None, old.ship_to}
        and (new.document is None or old.document is not None)
    )


def _turned_ms(scans: Iterable[Scan], origin: EvidenceOrigin, known: Iterable[Evidence]) -> int | None:
    """When the way back began, as far as more than a hint says so."""
    said = [
        fact.occurred_ms for fact in known if fact.status == "returning" and _is_more_than_hint(fact.origin)
    ]
    if _is_more_than_hint(origin):
        said += [scan.occurred_ms for scan in scans if scan.status == "returning"]
    return min(said, default=None)


def _back_home(scan: Scan, turned_ms: int | None) -> Scan:
    if scan.status != "delivered" or turned_ms is None or scan.occurred_ms < turned_ms:
        return scan
    return Scan("returned", scan.occurred_ms)


def _newest_per_status(scans: Iterable[Scan]) -> Iterable[Scan]:
    newest: dict[ParcelStatus, Scan] = {}
    for scan in scans:
        seen = newest.get(scan.status)
        if seen is None or _order(scan) > _order(seen):
            newest[scan.status] = scan
    return newest.values()


def _order(scan: Scan) -> tuple[int, bool, str]:
    return (scan.occurred_ms, scan.handover != "unknown", scan.handover)


def _evidence(scan: Scan, origin: EvidenceOrigin, ship_to: str | None, document: str | None) -> Evidence:
    if scan.status != "delivered":
        return Evidence(scan.status, scan.occurred_ms, origin)
    return Evidence(scan.status, scan.occurred_ms, origin, ship_to, document, scan.handover)


def _says_something(fact: Evidence, known: tuple[Evidence, ...]) -> bool:
    if any(covers(old, fact) for old in known):
        return False
    if fact.status in PROGRESS and any(_is_delivery(old) for old in known):
        return False
    return sum(_alike(old, fact) for old in known) < FACTS_PER_STATUS_MAX


def _alike(old: Evidence, new: Evidence) -> bool:
    return old.status == new.status and ORIGIN_STRENGTH[old.origin] == ORIGIN_STRENGTH[new.origin]


def _is_delivery(fact: Evidence) -> bool:
    return fact.status == "delivered" and _is_more_than_hint(fact.origin)


def _is_more_than_hint(origin: EvidenceOrigin) -> bool:
    return ORIGIN_STRENGTH[origin] > ORIGIN_STRENGTH["pushed"]
