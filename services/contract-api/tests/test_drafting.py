import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract_api.core.drafting import (
    BadDestination,
    Salts,
    ShipTo,
    Wish,
    destination,
    draft,
    parcels_of,
)
from sps.canonical import encode
from sps.money import Money
from sps.signing import commitment
from sps.transactions.terms import Clocks, Fees, Tranche, terms_hash

SALTS = Salts(b"g" * 32, b"s" * 32, b"a" * 32)
BOB = ShipTo("Bob Canary", "Canary Street 7", "Canaryville", "10115", "DE")


def wish(**changes):
    values = {
        "amount": Money(128000, "CNY"),
        "description": "Canary tea set",
        "ship_to": BOB,
        "carriers": ("dhl",),
        "release": "on_delivery",
        "min_level": 3,
        "tranches": (),
        "clocks": Clocks(),
        "fees": Fees(),
        "tolerance": 0,
        "payout": None,
    }
    return Wish(**(values | changes))


def test_personal_data_becomes_commitments_that_open_with_the_salts():
    terms = draft(wish(), SALTS)
    assert terms.goods == commitment(SALTS.goods, "Canary tea set").hex()
    assert terms.ship_to == commitment(SALTS.ship_to, "DE|10115").hex()
    spelled = encode([BOB.name, BOB.street, BOB.city, BOB.postcode, BOB.country]).decode()
    assert terms.address == commitment(SALTS.address, spelled).hex()


@given(st.text(min_size=8, max_size=40, alphabet="abcdefghijklmnopqrstuvwxyzäöü"))
def test_no_personal_text_is_found_in_the_terms(text):
    text = f"canary-{text}"
    terms = draft(wish(description=text, ship_to=ShipTo(text, text, text, "10115", "DE")), SALTS)
    assert text not in repr(terms)
    assert "canary" not in repr(terms)


def test_other_salts_give_other_commitments_so_that_nothing_can_be_guessed():
    other = Salts(b"G" * 32, b"S" * 32, b"A" * 32)
    one, two = draft(wish(), SALTS), draft(wish(), other)
    assert len({one.goods, one.ship_to, one.address, two.goods, two.ship_to, two.address}) == 6
    assert terms_hash(one) != terms_hash(two)


@pytest.mark.parametrize(
    ("country", "postcode", "spelled"),
    [
        ("de", "10115", "DE|10115"),
        (" DE ", " 10115 ", "DE|10115"),
        ("GB", "sw1a 1aa", "GB|SW1A1AA"),
        ("PL", "00-950", "PL|00-950"),
        ("CA", "k1a\u00a00b1", "CA|K1A0B1"),
    ],
)
def test_one_place_has_one_spelling(country, postcode, spelled):
    assert destination(country, postcode) == spelled


@pytest.mark.parametrize("postcode", ["", " ", "1" * 13, "10115!", "東京"])
def test_a_postcode_that_no_carrier_could_confirm_is_refused(postcode):
    with pytest.raises(BadDestination, match="postcode"):
        destination("DE", postcode)


def test_without_parts_there_is_one_tranche_with_one_parcel():
    assert draft(wish(), SALTS).tranches == (Tranche("t1", "128000", ("p1",)),)


def test_the_parcels_of_all_parts_stand_once_each_in_order():
    parts = (Tranche("a", "1", ("p2", "p1")), Tranche("b", "1", ("p1", "p3")))
    assert parcels_of(parts) == ("p2", "p1", "p3")


@pytest.mark.parametrize("release", ["on_delivery", "on_delivery_plus_inspection"])
def test_the_wanted_release_stands_in_the_terms(release):
    assert draft(wish(release=release), SALTS).release == release
