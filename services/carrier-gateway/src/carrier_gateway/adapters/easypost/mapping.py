"""EasyPost, words: a Tracker, alone or inside an Event, becomes an observation.

The tracker's own status is the present; its details are the past. A delivery counts only while the present
says so too, and on a return label a delivery is a return.
"""

import re
from typing import Any, Final

from carrier_gateway.adapters.bounded_http import json_object
from carrier_gateway.adapters.words import items, section, word, words
from carrier_gateway.application.carrier_port import Message, Notice, Observed
from carrier_gateway.core.moments import unix_ms
from carrier_gateway.core.normal_forms import (
    BadForm,
    Destination,
    handover_of,
    normal_destination,
    normal_number,
)
from carrier_gateway.core.tracking import Observation, Scan
from sps.transactions.values import ParcelStatus

DETAILS_MAX: Final = 500

_STATUSES: Final[dict[str, ParcelStatus]] = {
    "pre_transit": "label_created",
    "in_transit": "in_transit",
    "out_for_delivery": "out_for_delivery",
    "available_for_pickup": "at_pickup",
    "delivered": "delivered",
    "return_to_sender": "returning",
    "failure": "exception",
}
"""`cancelled`, `error` and `unknown` say nothing about where a parcel is."""
_PICKED_UP: Final = re.compile(r"picked up|collected from", re.IGNORECASE)


def read_message(body: bytes, document: str | None) -> tuple[Message, ...]:
    """Read an Event. `document` is the hash of the signed body, the proof when it names who signed."""
    event = json_object(body)
    if event is None:
        return (Notice("unreadable"),)
    tracker = section(event, "result")
    if word(tracker.get("object")) != "Tracker":
        return (Notice("not_a_tracker"),)
    observation = read_tracker(tracker, document, word(event.get("updated_at")))
    return (Notice("unreadable") if observation is None else Observed(observation),)


def read_tracker(tracker: dict[str, Any], document: str | None, told_at: str = "") -> Observation | None:
    """Read a Tracker; None when it has no tracking number. `told_at` is the time of last resort."""
    try:
        number = normal_number(word(tracker.get("tracking_code")))
    except BadForm:
        return None
    present = word(tracker.get("status")).lower()
    details = items(tracker.get("tracking_details"), DETAILS_MAX)
    past = [scan for scan in map(_scan, details) if scan is not None]
    scans = [scan for scan in past if scan.status != "delivered" or present == "delivered"]
    scans += _present(tracker, present, past, told_at)
    signed = word(tracker.get("signed_by")) and present == "delivered"
    return Observation(
        number,
        tuple(_returned(scan) if tracker.get("is_return") is True else scan for scan in scans),
        _destination(tracker),
        document if signed else None,
        () if present in _STATUSES else (present,),
    )


def _scan(detail: dict[str, Any]) -> Scan | None:
    status = _STATUSES.get(word(detail.get("status")).lower())
    occurred_ms = unix_ms(detail.get("datetime"))
    if status is None or occurred_ms is None:
        return None
    text = words(detail, "message", "description", "status_detail")
    if status == "in_transit" and _PICKED_UP.search(text):
        return Scan("picked_up", occurred_ms)
    return Scan(status, occurred_ms, handover_of(text) if status == "delivered" else "unknown")


def _present(tracker: dict[str, Any], present: str, past: list[Scan], told_at: str) -> list[Scan]:
    """The tracker's own status, when no detail tells it with a time of its own."""
    status = _STATUSES.get(present)
    told = any(scan.status == status or (status, scan.status) == ("in_transit", "picked_up") for scan in past)
    occurred_ms = unix_ms(tracker.get("updated_at"))
    if occurred_ms is None:
        occurred_ms = unix_ms(told_at)
    return [] if status is None or told or occurred_ms is None else [Scan(status, occurred_ms)]


def _returned(scan: Scan) -> Scan:
    return Scan("returned", scan.occurred_ms) if scan.status == "delivered" else scan


def _destination(tracker: dict[str, Any]) -> Destination | None:
    place = section(tracker, "carrier_detail", "destination_tracking_location")
    try:
        return normal_destination(word(place.get("country")), word(place.get("zip")))
    except BadForm:
        return None
