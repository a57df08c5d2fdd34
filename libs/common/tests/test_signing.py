"""Signatures: the RFC's vectors, the separation of purposes, and keys that may not be registered."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sps.signing import BadKey, Domain, Signer, check_public_key, commitment, sign_bytes, verify

CHAIN = bytes(range(32))
OTHER_CHAIN = bytes(32)
SIGNER = Signer(bytes([7]) * 32)
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NOT_CANONICAL = [
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(
    ("seed", "public_key", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                "d25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            (
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
                "4a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    ],
)
def test_the_algorithm_is_that_of_rfc_8032(monkeypatch, seed, public_key, message, signature):
    monkeypatch.setattr("sps.signing.sign_bytes", lambda _domain, _chain, body: body)
    signer = Signer(bytes.fromhex(seed))
    assert signer.public_key.hex() == public_key
    body = bytes.fromhex(message)
    assert signer.sign(Domain.TX, CHAIN, body).hex() == signature
    assert verify(signer.public_key, Domain.TX, CHAIN, body, bytes.fromhex(signature))


def test_the_signed_bytes_are_the_documented_ones():
    assert sign_bytes(Domain.FINALIZE, CHAIN, b"body") == b"SPS1\x04" + CHAIN + b"body"


def test_every_purpose_has_a_number_of_its_own_that_never_changes():
    assert [(d.name, d.value) for d in Domain] == [
        ("BATCH", 1),
        ("NOTARIZE", 2),
        ("NULLIFY", 3),
        ("FINALIZE", 4),
        ("STATUS", 5),
        ("REQUEST", 6),
        ("TX", 7),
        ("RESULT", 8),
        ("KEYCHANGE", 9),
    ]


def test_a_signature_is_void_for_every_other_purpose_and_chain():
    for given_for, asked in itertools.product(itertools.product(Domain, (CHAIN, OTHER_CHAIN)), repeat=2):
        signature = SIGNER.sign(*given_for, b"body")
        assert verify(SIGNER.public_key, *asked, b"body", signature) is (given_for == asked)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_a_signature_is_void_for_another_body(body, other):
    signature = SIGNER.sign(Domain.TX, CHAIN, body)
    assert verify(SIGNER.public_key, Domain.TX, CHAIN, other, signature) is (body == other)


@given(st.integers(0, 511))
def test_a_signature_with_one_bit_changed_is_void(bit):
    signature = bytearray(SIGNER.sign(Domain.TX, CHAIN, b"body"))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify(SIGNER.public_key, Domain.TX, CHAIN, b"body", bytes(signature))


def test_a_second_spelling_of_the_same_signature_is_void():
    signature = SIGNER.sign(Domain.TX, CHAIN, b"body")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not verify(
        SIGNER.public_key, Domain.TX, CHAIN, b"body", signature[:32] + scalar.to_bytes(32, "little")
    )


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_malformed_keys_and_signatures_are_just_not_good(public_key, signature):
    assert not verify(public_key, Domain.TX, CHAIN, b"body", signature)


@pytest.mark.parametrize("key", SMALL_ORDER + NOT_CANONICAL)
def test_a_weak_key_is_refused_at_registration_and_verifies_nothing(key):
    with pytest.raises(BadKey):
        check_public_key(bytes.fromhex(key))
    forged = bytes.fromhex(key) + bytes(32)
    assert not verify(bytes.fromhex(key), Domain.TX, CHAIN, b"body", forged)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), b"\xff" * 32, b"\x02" + bytes(31)])
def test_bytes_that_are_no_key_are_refused_at_registration(key):
    with pytest.raises(BadKey):
        check_public_key(key)


def test_an_honest_key_may_be_registered():
    assert check_public_key(SIGNER.public_key) == SIGNER.public_key


def test_a_seed_and_a_chain_id_have_exactly_32_bytes():
    for length in (0, 31, 33, 64):
        with pytest.raises(BadKey):
            Signer(bytes(length))
        with pytest.raises(ValueError, match="32 bytes"):
            SIGNER.sign(Domain.TX, bytes(length), b"")


def test_a_signer_does_not_show_its_key():
    assert (bytes([7]) * 32).hex() not in repr(SIGNER)
    assert "_key" not in repr(SIGNER)


def test_a_commitment_binds_the_value_and_hides_it_behind_the_salt():
    salt = bytes(range(32))
    assert commitment(salt, "DE|10115") == commitment(salt, "DE|10115")
    assert commitment(salt, "DE|10115") != commitment(salt, "DE|10116")
    assert commitment(salt, "DE|10115") != commitment(bytes(32), "DE|10115")
    assert (
        commitment(bytes(32), "").hex() == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
    )
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(b"", "x")
