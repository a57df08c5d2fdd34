"""Parcels: the words of their way, and how two carriers tell the same thing.

DHL has five status codes and free text; EasyPost has words of its own and names who signed.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from sandbox.core.records import Parcel, Scan, Tracker

CARRIERS: Final = ("dhl", "easypost")
NEXT: Final = {
    "": "label_created",
    "label_created": "picked_up",
    "picked_up": "in_transit",
    "in_transit": "out_for_delivery",
    "out_for_delivery": "delivered",
    "attempted": "out_for_delivery",
    "at_pickup": "delivered",
    "exception": "in_transit",
    "returning": "returned",
}
"""What a parcel usually does next."""

_SEPARATORS: Final = re.compile(r"[ \-]")
_NUMBER: Final = re.compile(r"[A-Z0-9]{4,40}", re.ASCII)


class Telling(Struct, frozen=True):
    """One status in the words of both carriers."""

    dhl_code: str
    easypost_status: str
    easypost_detail: str
    text: str


STATUSES: Final[dict[str, Telling]] = {
    "label_created": Telling("pre-transit", "pre_transit", "label_created", "Shipment information received"),
    "picked_up": Telling("transit", "in_transit", "received_at_origin_facility", "Shipment picked up"),
    "in_transit": Telling("transit", "in_transit", "departed_facility", "Departed from the sorting centre"),
    "out_for_delivery": Telling("transit", "out_for_delivery", "out_for_delivery", "Out for delivery"),
    "attempted": Telling(
        "failure", "failure", "delivery_exception", "Delivery attempted, recipient was absent"
    ),
    "at_pickup": Telling(
        "transit", "available_for_pickup", "available_for_pickup", "Ready for collection at the service point"
    ),
    "delivered": Telling("delivered", "delivered", "arrived_at_destination", "Delivered"),
    "exception": Telling("failure", "failure", "delivery_exception", "Delivery was not possible"),
    "returning": Telling("transit", "return_to_sender", "return", "Shipment is being returned to sender"),
    "returned": Telling("delivered", "delivered", "return", "Shipment returned to sender"),
    "lost": Telling("failure", "failure", "missing", "Shipment is lost and cannot be located"),
    "damaged": Telling("failure", "failure", "damaged", "Shipment damaged"),
}

HANDOVERS: Final = {
    "": "Delivered",
    "unknown": "Delivered",
    "recipient": "Delivered, handed to recipient",
    "household": "Delivered to a household member",
    "neighbour": "Delivered to a neighbour",
    "locker": "Delivered to a parcel locker",
    "safe_place": "Delivered, left in a safe place",
}


def normal_number(text: str) -> str:
    """Capitals without spaces and hyphens; `ValueError` when it cannot be a tracking number."""
    number = _SEPARATORS.sub("", text).upper()
    if not _NUMBER.fullmatch(number):
        raise ValueError("a tracking number has 4 to 40 letters and digits")
    return number


def told(scan: Scan) -> str:
    """The scan in words."""
    if scan.status != "delivered":
        return STATUSES[scan.status].text
    return HANDOVERS[scan.handover or ("recipient" if scan.signed_by else "")]


def stamp(unix_ms: int) -> str:
    """ISO 8601 in UTC, milliseconds kept: `2026-03-02T13:05:00.123Z`."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=unix_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{unix_ms % 1000:03d}Z"


def _destination(parcel: Parcel, scans: list[Scan]) -> tuple[str, str]:
    corrected = next((scan.postcode for scan in reversed(scans) if scan.postcode), "")
    return parcel.country, corrected or parcel.postcode


# --- DHL ------------------------------------------------------------------------------------------


def dhl_shipment(parcel: Parcel, scans: list[Scan], proof_url: str) -> dict[str, Any]:
    """A shipment as the unified tracking API gives it; `scans` oldest first."""
    country, postcode = _destination(parcel, scans)
    events = [_dhl_event(scan, country) for scan in reversed(scans)]
    nothing = {"timestamp": stamp(parcel.created_ms), "statusCode": "unknown", "status": "NO EVENTS YET"}
    details: dict[str, Any] = {
        "product": {"productName": "EXPRESS WORLDWIDE"},
        "totalNumberOfPieces": 1,
        "weight": {"value": 2, "unitText": "kg"},
        "references": [{"number": parcel.number, "type": "customer-reference"}],
    }
    if scans and scans[-1].status == "delivered":
        details["proofOfDelivery"] = _proof(scans[-1], proof_url)
    return {
        "id": parcel.number,
        "service": "express",
        "origin": {"address": {"countryCode": "CN", "postalCode": "518000", "addressLocality": "SHENZHEN"}},
        "destination": {"address": {"countryCode": country, "postalCode": postcode}},
        "status": events[0] if events else nothing,
        "details": details,
        "events": events,
    }


def _dhl_event(scan: Scan, country: str) -> dict[str, Any]:
    text = told(scan)
    here = country if scan.status in {"out_for_delivery", "attempted", "delivered", "at_pickup"} else "CN"
    return {
        "timestamp": stamp(scan.occurred_ms),
        "location": {"address": {"countryCode": here}},
        "statusCode": STATUSES[scan.status].dhl_code,
        "status": text.upper(),
        "description": text,
        "remark": "",
        "nextSteps": "",
    }


def _proof(scan: Scan, url: str) -> dict[str, Any]:
    given, _, family = scan.signed_by.rpartition(" ")
    signed = {"@type": "Person", "familyName": family, "givenName": given, "name": scan.signed_by}
    if not scan.signed_by:
        return {"timestamp": stamp(scan.occurred_ms)}
    return {"timestamp": stamp(scan.occurred_ms), "documentUrl": url, "signed": signed}


def dhl_answer(shipment: dict[str, Any]) -> dict[str, Any]:
    """The answer to a pull."""
    return {
        "url": f"/shipments?trackingNumber={shipment['id']}",
        "shipments": [shipment],
        "possibleAdditionalShipmentsUrl": [],
    }


def dhl_problem(status: int, title: str, detail: str) -> dict[str, Any]:
    """DHL's refusals."""
    return {"title": title, "detail": detail, "status": status, "instance": "/shipments"}


def proof_document(parcel: Parcel, scan: Scan) -> str:
    """The proof of delivery: the same bytes at every call, for they are hashed."""
    country, postcode = parcel.country, scan.postcode or parcel.postcode
    return (
        "PROOF OF DELIVERY (simulated)\n"
        f"Shipment {parcel.number}\nDelivered {stamp(scan.occurred_ms)} at {country} {postcode}\n"
        f"{told(scan)}\nSigned by {scan.signed_by or '(not signed)'}\n"
    )


# --- EasyPost ---------------------------------------------------------------------------------------


def easypost_tracker(tracker: Tracker, parcel: Parcel | None, scans: list[Scan]) -> dict[str, Any]:
    """A Tracker; its status is `unknown` until the carrier knows the parcel. `scans` oldest first."""
    newest = scans[-1] if scans else None
    telling = STATUSES[newest.status] if newest else None
    shape: dict[str, Any] = {
        "id": tracker.reference,
        "object": "Tracker",
        "mode": "test",
        "tracking_code": tracker.number,
        "status": telling.easypost_status if telling else "unknown",
        "status_detail": telling.easypost_detail if telling else "unknown",
        "signed_by": newest.signed_by or None if newest else None,
        "carrier": "UPS",
        "created_at": stamp(tracker.created_ms),
        "updated_at": stamp(newest.occurred_ms if newest else tracker.created_ms),
        "is_return": bool(newest and newest.status == "returned"),
        "tracking_details": [_easypost_detail(scan) for scan in scans],
        "carrier_detail": None,
    }
    if parcel is not None:
        country, postcode = _destination(parcel, scans)
        place = {
            "object": "TrackingLocation",
            "city": None,
            "state": None,
            "country": country,
            "zip": postcode,
        }
        shape["carrier_detail"] = {"object": "CarrierDetail", "destination_tracking_location": place}
    return shape


def _easypost_detail(scan: Scan) -> dict[str, Any]:
    telling = STATUSES[scan.status]
    return {
        "object": "TrackingDetail",
        "message": told(scan),
        "description": telling.text,
        "status": telling.easypost_status,
        "status_detail": telling.easypost_detail,
        "datetime": stamp(scan.occurred_ms),
        "source": "UPS",
        "tracking_location": {"object": "TrackingLocation", "city": None, "country": None, "zip": None},
    }


def easypost_event(tracker: dict[str, Any], event_id: str, created_at: str, before: str) -> dict[str, Any]:
    """The Event that tells a change."""
    return {
        "id": event_id,
        "object": "Event",
        "mode": "test",
        "description": "tracker.updated",
        "previous_attributes": {"status": before},
        "created_at": created_at,
        "updated_at": created_at,
        "result": tracker,
    }
