"""Two services spell a destination by themselves; one spelling more or less, and no delivery would be at the address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_gateway.core.normal_forms import BadForm, normal_destination, ship_to
from contract_api.core.drafting import BadDestination, destination
from sps.signing import commitment

SALT = b"s" * 32
COUNTRIES = ("DE", "PL", "GB", "CN", "US")
postcodes = st.text(alphabet="0123456789abcXYZ -\t\u00a0\u3000!_", min_size=0, max_size=16)


def by_gateway(country: str, postcode: str) -> str | None:
    try:
        return ship_to(normal_destination(country, postcode), SALT)
    except BadForm:
        return None


def by_api(country: str, postcode: str) -> str | None:
    try:
        return commitment(SALT, destination(country, postcode)).hex()
    except BadDestination:
        return None


@given(st.sampled_from(COUNTRIES), postcodes)
def test_both_services_commit_to_the_same_destination_or_refuse_it_alike(country, postcode):
    assert by_api(country, postcode) == by_gateway(country, postcode)


@pytest.mark.parametrize(
    ("country", "postcode"), [("PL", "00-950"), ("GB", "sw1a 1aa"), ("US", "94105-1234")]
)
def test_spellings_of_real_places_agree(country, postcode):
    assert by_api(country, postcode) == by_gateway(country, postcode) is not None
