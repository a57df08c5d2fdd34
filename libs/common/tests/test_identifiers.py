"""Identifiers: made from time and chance, derived from a cause, and refused in any other form."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sps.identifiers import PREFIXES, RANDOM_BYTES, BadIdentifier, check, derived, make

prefixes = st.sampled_from(sorted(PREFIXES))
times = st.integers(0, 2**48 - 1)
chances = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def value_of(identifier):
    value = 0
    for letter in identifier.partition("_")[2]:
        value = value * 32 + ALPHABET.index(letter)
    return value


@given(prefixes, times, chances)
def test_what_is_made_is_accepted_and_holds_a_uuid_of_version_7(prefix, unix_ms, randomness):
    identifier = make(prefix, unix_ms, randomness)
    assert check(identifier, prefix) == identifier
    held = uuid.UUID(int=value_of(identifier))
    assert (held.version, held.variant, held.int >> 80) == (7, uuid.RFC_4122, unix_ms)


@given(times, times, chances, chances)
def test_later_identifiers_sort_behind_earlier_ones(one, other, first, second):
    if one < other:
        assert make("ctr", one, first) < make("ctr", other, second)


@given(prefixes, st.binary(min_size=16, max_size=32))
def test_the_same_cause_has_the_same_identifier(prefix, digest):
    identifier = derived(prefix, digest)
    assert check(identifier, prefix) == identifier == derived(prefix, digest)
    assert value_of(identifier) == int.from_bytes(digest[:16], "big")


def test_every_random_bit_that_fits_is_used():
    none, every = (value_of(make("ctr", 0, bytes([b]) * RANDOM_BYTES)) for b in (0x00, 0xFF))
    assert (none ^ every).bit_count() == 74


@pytest.mark.parametrize(
    ("prefix", "unix_ms", "randomness"),
    [
        ("xyz", 0, bytes(10)),
        ("ctr", -1, bytes(10)),
        ("ctr", 2**48, bytes(10)),
        ("ctr", 0, bytes(9)),
        ("", 0, bytes(10)),
    ],
)
def test_an_identifier_is_not_made_from_something_else(prefix, unix_ms, randomness):
    with pytest.raises(BadIdentifier):
        make(prefix, unix_ms, randomness)


@pytest.mark.parametrize(("prefix", "digest"), [("xyz", bytes(32)), ("ctr", bytes(15))])
def test_an_identifier_is_not_derived_from_something_else(prefix, digest):
    with pytest.raises(BadIdentifier):
        derived(prefix, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ctr",
        "ctr_",
        "pay_01jd0000000000000000000000",
        "ctr_01jd000000000000000000000",
        "ctr_01jd00000000000000000000000",
        "ctr_81jd0000000000000000000000",
        "ctr_01JD0000000000000000000000",
        "ctr_01jd000000000000000000000i",
        "ctr_01jd000000000000000000000l",
        "ctr_01jd000000000000000000000o",
        "ctr_01jd000000000000000000000u",
        "ctr_01jd000000000000000000000\n",
        "ctr_01jd0000000000000000000000\n",
        "ctr_01jd000000000000000000000\u0661",
        "ctr-01jd0000000000000000000000",
        " ctr_01jd0000000000000000000000",
        "ctr__01jd000000000000000000000",
    ],
)
def test_another_form_is_refused(text):
    with pytest.raises(BadIdentifier):
        check(text, "ctr")
