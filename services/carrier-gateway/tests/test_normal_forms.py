import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_gateway.core.normal_forms import (
    BadForm,
    Destination,
    as_booked,
    handover_of,
    normal_destination,
    normal_number,
    ship_to,
    tracking_tag,
)
from sps.signing import commitment

PEPPER = bytes(range(32))


@pytest.mark.parametrize("spelled", ["jd014600001", "JD 0146 00001", " jd-0146-00001 "])
def test_two_spellings_of_one_number_have_one_normal_form(spelled):
    assert normal_number(spelled) == "JD014600001"


@pytest.mark.parametrize(
    "text", ["", "abc", "A" * 41, "12345678/../x", "\uff11\uff12\uff13\uff14\uff15", "1234\n5678", "ÄÖÜ12345"]
)
def test_what_cannot_be_a_number_is_refused(text):
    with pytest.raises(BadForm, match="4 to 40 letters"):
        normal_number(text)


def test_a_destination_is_written_in_capitals_without_spaces():
    assert normal_destination("gb", "sw1a 1aa") == Destination("GB", "SW1A1AA")


@pytest.mark.parametrize(
    ("country", "postcode"), [("DEU", "10115"), ("", "10115"), ("DE", ""), ("DE", "1|2"), ("DE", "1" * 13)]
)
def test_what_cannot_be_a_destination_is_refused(country, postcode):
    with pytest.raises(BadForm):
        normal_destination(country, postcode)


def test_the_commitment_is_the_one_of_the_terms():
    salt = b"\x07" * 32
    assert ship_to(Destination("DE", "10115"), salt) == commitment(salt, "DE|10115").hex()


@pytest.mark.parametrize(
    ("booked", "stated"),
    [
        (("PL", "00-950"), ("PL", "00950")),
        (("JP", "1000001"), ("JP", "100-0001")),
        (("US", "07974"), ("US", "07974-1234")),
        (("US", "079741234"), ("US", "07974")),
    ],
)
def test_the_carriers_spelling_of_the_same_place_is_the_booked_one(booked, stated):
    assert as_booked(Destination(*booked), Destination(*stated)) == Destination(*booked)


@pytest.mark.parametrize("stated", [("DE", "10117"), ("AT", "10115"), ("DE", "101159999")])
def test_another_place_stays_another_place(stated):
    assert as_booked(Destination("DE", "10115"), Destination(*stated)) == Destination(*stated)
    assert as_booked(None, Destination(*stated)) == Destination(*stated)


def test_a_tag_belongs_to_one_carrier_and_one_pepper():
    tag = tracking_tag(PEPPER, "dhl", "7777777770")
    others = {tracking_tag(PEPPER, "easypost", "7777777770"), tracking_tag(bytes(32), "dhl", "7777777770")}
    assert len(tag) == 64
    assert tag not in others


def test_a_short_pepper_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        tracking_tag(b"short", "dhl", "7777777770")


@pytest.mark.parametrize(
    ("text", "handover"),
    [
        ("Delivered", "unknown"),
        ("Delivered to neighbor of the recipient", "neighbour"),
        ("Delivered to a Packstation", "locker"),
        ("Left at front door", "safe_place"),
        ("Signed by a household member", "household"),
        ("Handed over to the consignee", "recipient"),
    ],
)
def test_the_words_say_who_took_the_parcel_and_the_cautious_reading_wins(text, handover):
    assert handover_of(text) == handover


@given(st.text(alphabet="abcXYZ0129 -", min_size=0, max_size=60))
def test_a_normal_form_is_its_own_normal_form(text):
    try:
        once = normal_number(text)
    except BadForm:
        return
    assert normal_number(once) == once
