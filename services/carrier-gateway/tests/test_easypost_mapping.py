import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_gateway.adapters.easypost.mapping import read_message, read_tracker
from carrier_gateway.application.carrier_port import Notice, Observed
from carrier_gateway.core.normal_forms import Destination
from carrier_gateway.core.tracking import Scan

RECORDED = Path(__file__).parent / "recorded"
DOCUMENT = "cd" * 32
WHEN, WHEN_MS = "2026-03-02T13:05:00Z", 1_772_456_700_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "status",
                    "datetime",
                    "tracking_details",
                    "carrier_detail",
                    "signed_by",
                    "tracking_code",
                    "zip",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


def tracker(status="in_transit", details=(), **members):
    return read_tracker(
        {"tracking_code": "EZ1000000001", "status": status, "tracking_details": list(details), **members},
        DOCUMENT,
    )


def detail(status, when=WHEN, **members):
    return {"status": status, "datetime": when, **members}


def test_the_recorded_delivery_becomes_an_observation_with_its_document():
    (spoken,) = read_message((RECORDED / "easypost_delivered.json").read_bytes(), DOCUMENT)
    observation = spoken.observation
    assert observation.number == "EZ4000000004"
    assert observation.scans[-1] == Scan("delivered", WHEN_MS)
    assert observation.scans[1].status == "picked_up"
    assert observation.destination == Destination("DE", "10115")
    assert observation.document == DOCUMENT


def test_the_published_event_has_a_number_that_is_too_short_to_be_one():
    body = json.loads((RECORDED / "easypost_vectors.json").read_text())[0]["body"].encode()
    assert read_message(body, DOCUMENT) == (Notice("unreadable"),)


def test_the_published_event_with_a_real_number_is_in_transit_and_proves_nothing():
    body = json.loads((RECORDED / "easypost_vectors.json").read_text())[0]["body"]
    (spoken,) = read_message(
        body.replace('"tracking_code":"1"', '"tracking_code":"EZ1000000001"').encode(), DOCUMENT
    )
    assert isinstance(spoken, Observed)
    assert {scan.status for scan in spoken.observation.scans} == {"label_created", "picked_up", "in_transit"}
    assert spoken.observation.document is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pre_transit", "label_created"),
        ("in_transit", "in_transit"),
        ("out_for_delivery", "out_for_delivery"),
        ("available_for_pickup", "at_pickup"),
        ("delivered", "delivered"),
        ("return_to_sender", "returning"),
        ("failure", "exception"),
    ],
)
def test_words_become_ours(word, status):
    assert tracker(word, [detail(word)]).scans == (Scan(status, WHEN_MS),)


@pytest.mark.parametrize("word", ["cancelled", "error", "unknown", "", "beamed_up", None])
def test_an_unknown_word_is_counted_and_never_guessed(word):
    observation = tracker(word, [detail(word)], updated_at=WHEN)
    assert observation.scans == ()
    assert observation.unknown_words == (word or "",)


def test_the_present_status_counts_when_no_detail_tells_it():
    assert tracker("delivered", updated_at=WHEN).scans == (Scan("delivered", WHEN_MS),)


def test_a_present_status_without_any_time_says_nothing():
    assert tracker("delivered").scans == ()


def test_a_delivery_of_the_past_does_not_count_any_more():
    observation = tracker("return_to_sender", [detail("delivered"), detail("return_to_sender")])
    assert [scan.status for scan in observation.scans] == ["returning"]


def test_on_a_return_label_a_delivery_is_a_return():
    assert tracker("delivered", [detail("delivered")], is_return=True).scans == (Scan("returned", WHEN_MS),)


@pytest.mark.parametrize("signed_by", [None, "", "   ", [], {}, False])
def test_nobody_signed_means_no_document(signed_by):
    assert tracker("delivered", [detail("delivered")], signed_by=signed_by).document is None


def test_a_signature_before_the_delivery_is_no_document():
    assert tracker("in_transit", [detail("in_transit")], signed_by="Jo").document is None


def test_a_neighbour_is_told():
    observation = tracker("delivered", [detail("delivered", message="Delivered to neighbor")])
    assert observation.scans[0].handover == "neighbour"


@pytest.mark.parametrize(
    "place",
    [
        None,
        {},
        {"zip": "10115"},
        {"country": "DE", "zip": None},
        {"country": "Germany", "zip": "10115"},
        "BERLIN",
    ],
)
def test_an_incomplete_destination_is_none(place):
    observation = tracker(carrier_detail={"destination_tracking_location": place})
    assert observation.destination is None


def test_a_tracker_without_a_number_is_unreadable():
    assert read_tracker({"status": "delivered"}, None) is None
    body = b'{"result":{"object":"Tracker","tracking_code":"?"}}'
    assert read_message(body, None) == (Notice("unreadable"),)


def test_other_objects_are_notices():
    assert read_message(b'{"id":"evt_1","result":{"object":"Batch"}}', None) == (Notice("not_a_tracker"),)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_a_value(body):
    assert read_message(body, None) == (Notice("unreadable"),)


@given(json_values)
def test_no_json_breaks_the_reader(value):
    result = {"object": "Tracker", "tracking_code": "EZ1000000001", "status": "delivered"}
    merged = {**result, **value} if isinstance(value, dict) else {**result, "tracking_details": value}
    read_message(json.dumps({"id": "evt", "result": merged}).encode(), DOCUMENT)
    read_message(json.dumps(value).encode(), DOCUMENT)
