"""DHL, words: shipments of the unified tracking API, pulled or pushed, become observations.

Five status codes are all there is; the rest is free text, refined with a small ordered table. Two rules:
nothing is ever refined *to* `delivered`, and a delivery "to the sender" is a return.
`id` may be a number, lists may be objects, times may lack a zone, anything may be missing.
"""

import re
from datetime import tzinfo
from typing import Any, Final

from msgspec import Struct

from carrier_gateway.adapters.bounded_http import json_object
from carrier_gateway.adapters.words import items, section, word, words
from carrier_gateway.application.carrier_port import Handshake, Message, Notice, Observed
from carrier_gateway.core.moments import unix_ms, zone_of
from carrier_gateway.core.normal_forms import (
    BadForm,
    Destination,
    handover_of,
    normal_destination,
    normal_number,
)
from carrier_gateway.core.tracking import Observation, Scan
from sps.transactions.values import ParcelStatus

SHIPMENTS_MAX: Final = 100
EVENTS_MAX: Final = 300
URL_CHARS_MAX: Final = 2_000

_CODES: Final[dict[str, ParcelStatus]] = {
    "pre-transit": "label_created",
    "transit": "in_transit",
    "delivered": "delivered",
    "failure": "exception",
}
"""`unknown` is left out on purpose: it is never a reason to infer anything."""

_TO_SENDER: Final = re.compile(r"\breturn(ed|ing)?\b.*\b(shipper|sender)\b", re.IGNORECASE)
_REFINED: Final[tuple[tuple[re.Pattern[str], ParcelStatus], ...]] = (
    (_TO_SENDER, "returning"),
    (re.compile(r"\blost\b|cannot be located", re.IGNORECASE), "lost"),
    (re.compile(r"damag", re.IGNORECASE), "damaged"),
    (
        re.compile(r"\battempt|not (at )?home|recipient (was )?(absent|not available)", re.IGNORECASE),
        "attempted",
    ),
    (re.compile(r"(ready|available|awaiting) .*(collect|pick-? ?up)", re.IGNORECASE), "at_pickup"),
    (re.compile(r"out for delivery|with (delivery )?courier", re.IGNORECASE), "out_for_delivery"),
    (re.compile(r"picked up|shipment (has been )?collected", re.IGNORECASE), "picked_up"),
)
_NOTICES: Final = frozenset({"activate", "ready", "failure", "delete", "deleted"})


class Shipment(Struct, frozen=True):
    """An observation, and where DHL keeps its proof of delivery."""

    observation: Observation
    proof_urls: tuple[str, ...] = ()


def read_message(body: bytes) -> tuple[Message, ...]:
    """Read a push by its `scope`."""
    message = json_object(body)
    if message is None:
        return (Notice("unreadable"),)
    scope = word(message.get("scope")).removeprefix("subscription.")
    if scope == "push":
        return tuple(Observed(shipment.observation) for shipment in _shipments(message))
    if scope == "validate":
        return (Handshake(_url(message.get("self")), word(message.get("secret"))),)
    return (Notice(f"subscription_{scope}" if scope in _NOTICES else "unknown_scope"),)


def read_shipments(body: bytes) -> tuple[Shipment, ...] | None:
    """Read the answer to a pull; None when it is not JSON."""
    answer = json_object(body)
    return None if answer is None else _shipments(answer)


def _shipments(message: dict[str, Any]) -> tuple[Shipment, ...]:
    found = (_shipment(value) for value in items(message.get("shipments"), SHIPMENTS_MAX))
    return tuple(shipment for shipment in found if shipment is not None)


def _shipment(value: dict[str, Any]) -> Shipment | None:
    try:
        number = normal_number(word(value.get("id")))
    except BadForm:
        return None
    newest = section(value, "status")
    zone = zone_of(newest.get("timestamp"))
    proof = section(value, "details", "proofOfDelivery")
    scans = [scan for scan in (_scan(newest, zone), *_history(value, zone)) if scan is not None]
    observation = Observation(number, tuple(scans), _destination(value), None, _unknown_words(newest))
    urls = (_url(proof.get("documentUrl")), _url(proof.get("signatureUrl")))
    return Shipment(observation, tuple(filter(None, urls)))


def _history(value: dict[str, Any], zone: tzinfo) -> list[Scan | None]:
    """Older events. A delivery is taken from the newest status alone: what was undone since stays undone."""
    scans = (_scan(event, zone) for event in items(value.get("events"), EVENTS_MAX))
    return [scan for scan in scans if scan is not None and scan.status != "delivered"]


def _scan(event: dict[str, Any], zone: tzinfo) -> Scan | None:
    text = words(event, "status", "description", "remark")
    status = _status(_code(event), text)
    occurred_ms = unix_ms(event.get("timestamp"), zone)
    if status is None or occurred_ms is None:
        return None
    return Scan(status, occurred_ms, handover_of(text) if status == "delivered" else "unknown")


def _status(code: str, text: str) -> ParcelStatus | None:
    coarse = _CODES.get(code)
    if coarse == "delivered":
        return "returned" if _TO_SENDER.search(text) else "delivered"
    if coarse in {"in_transit", "exception"}:
        return next((status for pattern, status in _REFINED if pattern.search(text)), coarse)
    return coarse


def _code(event: dict[str, Any]) -> str:
    return word(event.get("statusCode")).lower()


def _unknown_words(event: dict[str, Any]) -> tuple[str, ...]:
    code = _code(event)
    return () if code in _CODES else (code,)


def _destination(value: dict[str, Any]) -> Destination | None:
    address = section(value, "destination", "address")
    try:
        return normal_destination(word(address.get("countryCode")), word(address.get("postalCode")))
    except BadForm:
        return None


def _url(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= URL_CHARS_MAX else ""
