import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract_api.core.credentials import (
    ALPHABET,
    BUYER,
    CHECK_DIGITS,
    PREFIXES,
    RANDOM_BYTES,
    RANDOM_DIGITS,
    digest,
    make_secret,
    party_seed,
    well_formed,
)

randomness = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(st.sampled_from(PREFIXES), randomness)
def test_a_new_secret_is_well_formed_and_says_what_it_is(prefix, random):
    secret = make_secret(prefix, random)
    assert secret.startswith(prefix)
    assert len(secret) == len(prefix) + RANDOM_DIGITS + CHECK_DIGITS
    assert well_formed(secret)


@given(st.sampled_from(PREFIXES), randomness, st.data())
def test_one_wrong_character_is_noticed(prefix, random, data):
    secret = make_secret(prefix, random)
    at = data.draw(st.integers(len(prefix), len(secret) - 1))
    other = data.draw(st.sampled_from([each for each in ALPHABET if each != secret[at]]))
    assert not well_formed(secret[:at] + other + secret[at + 1 :])


def test_a_known_secret_stays_as_it_is():
    assert make_secret(BUYER, bytes(range(RANDOM_BYTES))) == "spsb_A7dl5PEW67zZCpFU9uKaHnGgOvQKAR0kak0x"


@pytest.mark.parametrize(
    "text",
    ["", "spsk_test_", "spsb_" + "!" * 36, "x" * 46, "spsb_" + "\u0660" * 36, "spsb_" + "0" * 36 + "\n"],
)
def test_what_is_no_secret_is_not_well_formed(text):
    assert not well_formed(text)


def test_a_secret_needs_a_known_prefix_and_enough_randomness():
    for prefix, random in (("spsx_", bytes(RANDOM_BYTES)), (BUYER, bytes(RANDOM_BYTES - 1))):
        with pytest.raises(ValueError, match="known prefix"):
            make_secret(prefix, random)


def test_only_the_hash_of_a_secret_is_kept():
    assert digest("spsb_x") == hashlib.sha256(b"spsb_x").hexdigest()


def test_every_party_of_every_contract_has_a_key_of_its_own():
    seeds = {
        party_seed(b"k" * 32, role, contract)
        for role in ("seller", "buyer")
        for contract in ("ctr_1", "ctr_2")
    }
    assert len(seeds) == 4
    assert party_seed(b"k" * 32, "seller", "ctr_1") in seeds
    assert {len(seed) for seed in seeds} == {32}
