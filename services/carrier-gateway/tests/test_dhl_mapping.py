import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_gateway.adapters.dhl.mapping import SHIPMENTS_MAX, read_message, read_shipments
from carrier_gateway.application.carrier_port import Handshake, Notice, Observed
from carrier_gateway.core.normal_forms import Destination
from carrier_gateway.core.tracking import Scan

RECORDED = Path(__file__).parent / "recorded"
DELIVERED_MS = 1_772_456_700_000

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "shipments",
                    "id",
                    "status",
                    "statusCode",
                    "timestamp",
                    "events",
                    "details",
                    "destination",
                    "address",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


def shipment(**members):
    status = {"timestamp": "2026-03-02T14:05:00+01:00", "statusCode": "transit"} | members.pop("status", {})
    body = json.dumps({"shipments": [{"id": "7777777770", "status": status, **members}]}).encode()
    (found,) = read_shipments(body)
    return found


def statuses(**members):
    return [scan.status for scan in shipment(**members).observation.scans]


def test_the_recorded_answer_becomes_an_observation():
    (found,) = read_shipments((RECORDED / "dhl_delivered.json").read_bytes())
    assert found.observation.number == "7777777770"
    assert found.observation.destination == Destination("DE", "10115")
    assert found.observation.scans[0] == Scan("delivered", DELIVERED_MS)
    assert [scan.status for scan in found.observation.scans] == [
        "delivered",
        "out_for_delivery",
        "in_transit",
        "picked_up",
        "label_created",
    ]
    assert found.proof_urls == (
        "https://carrier.test/dhl/proof/7777777770.pdf",
        "https://carrier.test/dhl/proof/sign.png",
    )


def test_an_event_without_a_zone_is_in_the_zone_of_the_status():
    (found,) = read_shipments((RECORDED / "dhl_delivered.json").read_bytes())
    assert found.observation.scans[1].occurred_ms == DELIVERED_MS - (4 * 60 + 55) * 60_000


def test_the_recorded_push_has_a_number_that_is_a_number():
    (spoken,) = read_message((RECORDED / "dhl_push.json").read_bytes())
    assert isinstance(spoken, Observed)
    assert (spoken.observation.number, spoken.observation.scans) == (
        "7777777770",
        (Scan("delivered", DELIVERED_MS),),
    )


def test_the_recorded_validation_is_a_handshake():
    (spoken,) = read_message((RECORDED / "dhl_validate.json").read_bytes())
    assert spoken == Handshake(
        "https://api-eu.dhl.com/tracking/push/v1/subscription/sub-1", "s3cr3t-of-the-handshake"
    )


@pytest.mark.parametrize("scope", ["activate", "ready", "failure", "delete", "deleted"])
def test_messages_about_the_subscription_are_notices(scope):
    assert read_message(b'{"scope":"subscription.%s"}' % scope.encode()) == (Notice(f"subscription_{scope}"),)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_a_value(body):
    assert read_message(body) == (Notice("unreadable"),)
    assert read_shipments(body) is None


def test_an_unknown_scope_is_a_value():
    assert read_message(b'{"scope":"subscription.dance"}') == (Notice("unknown_scope"),)


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        ("pre-transit", "", "label_created"),
        ("transit", "", "in_transit"),
        ("TRANSIT", "With delivery courier", "out_for_delivery"),
        ("transit", "Shipment has been collected", "picked_up"),
        ("transit", "Being returned to shipper", "returning"),
        ("transit", "Shipment delivered to the wrong place", "in_transit"),
        ("failure", "", "exception"),
        ("failure", "Delivery attempted; recipient not home", "attempted"),
        ("failure", "Parcel lost", "lost"),
        ("failure", "Item was DAMAGED", "damaged"),
        ("transit", "Ready for pick-up at the parcel shop; ready to collect", "at_pickup"),
        ("delivered", "Delivered", "delivered"),
        ("delivered", "Returned to sender", "returned"),
    ],
)
def test_words_become_ours(code, text, status):
    assert statuses(status={"statusCode": code, "description": text}) == [status]


@pytest.mark.parametrize("code", ["unknown", "", "teleported", None, 7])
def test_an_unknown_code_is_counted_and_never_guessed(code):
    found = shipment(status={"statusCode": code, "description": "Delivered"})
    assert found.observation.scans == ()
    assert found.observation.unknown_words == ("" if code is None else str(code),)


def test_a_delivery_among_the_older_events_does_not_count():
    assert statuses(events=[{"timestamp": "2026-03-01T10:00:00", "statusCode": "delivered"}]) == [
        "in_transit"
    ]


def test_a_neighbour_is_told():
    found = shipment(status={"statusCode": "delivered", "remark": "Left with a neighbour"})
    assert found.observation.scans[0].handover == "neighbour"


@pytest.mark.parametrize(
    "members",
    [
        {"status": {"timestamp": None}},
        {"status": {"timestamp": "soon"}},
        {"events": {"timestamp": "x"}, "status": {"timestamp": 5}},
        {"destination": [], "details": 7, "events": None, "status": {"timestamp": []}},
    ],
)
def test_a_message_without_a_readable_time_says_nothing(members):
    assert shipment(**members).observation.scans == ()


def test_an_object_in_place_of_a_list_is_a_list_of_one():
    event = {"timestamp": "2026-03-01T10:00:00", "statusCode": "pre-transit"}
    assert statuses(events=event) == ["in_transit", "label_created"]


def test_a_shipment_without_a_number_is_left_out():
    assert (
        read_shipments(b'{"shipments":[{"id":null},{"id":"!"},{"id":"12345678"}]}')[0].observation.number
        == "12345678"
    )


def test_the_number_of_shipments_is_bounded():
    body = json.dumps({"shipments": [{"id": str(10_000 + i)} for i in range(SHIPMENTS_MAX * 2)]}).encode()
    assert len(read_shipments(body)) == SHIPMENTS_MAX


@given(json_values)
def test_no_json_breaks_the_reader(value):
    body = json.dumps({"scope": "subscription.push", "shipments": value}).encode()
    assert all(isinstance(spoken, Observed) for spoken in read_message(body))
    read_message(json.dumps(value).encode())
