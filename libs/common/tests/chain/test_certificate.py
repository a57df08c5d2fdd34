"""A certificate is good for exactly what a quorum of this committee signed."""

import msgspec
import pytest
from chain_kit import ChainKit, make_genesis
from hypothesis import given, settings
from hypothesis import strategies as st

from sps.chain.binary import Malformed
from sps.chain.certificate import (
    certificate_of,
    decode_certificate,
    encode_certificate,
    verify_certificate,
)
from sps.chain.committee import Committee, quorum_size
from sps.chain.vote import VoteKind, sign_vote

KIT = ChainKit()
HEADER = KIT.header()
replace = msgspec.structs.replace


def good(certificate, kit=KIT, committee=None):
    return verify_certificate(certificate, committee or kit.committee, kit.chain_id)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 31])
def test_a_quorum_is_enough_and_one_less_is_not(n):
    kit = ChainKit(n)
    header = kit.header()
    assert good(kit.certify(header, signers=range(quorum_size(n))), kit)
    if n > 1:
        assert not good(kit.certify(header, signers=range(quorum_size(n) - 1)), kit)


def test_weight_counts_and_not_heads():
    kit = ChainKit(genesis=make_genesis(4, weights=(10, 1, 1, 1)))
    header = kit.header()
    assert good(kit.certify(header, signers=[0]), kit)
    assert not good(kit.certify(header, signers=[1, 2, 3]), kit)


@pytest.mark.parametrize("kind", VoteKind)
def test_every_kind_of_vote_can_be_certified(kind):
    subject = (1, 5) if kind is VoteKind.NULLIFY else (1, 5, 3, b"\x07" * 32)
    votes = [sign_vote(KIT.validators[i], KIT.chain_id, i, kind, *subject) for i in (2, 0, 1)]
    certificate = certificate_of(votes)
    assert certificate.signers == (0, 1, 2)
    assert good(certificate)
    assert decode_certificate(encode_certificate(certificate)) == certificate


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": VoteKind.NOTARIZE},
        {"kind": VoteKind.NULLIFY},
        {"epoch": 2},
        {"view": 2},
        {"height": 2},
        {"block_id": bytes(32)},
        {"block_id": b""},
        {"signers": (0, 1, 2)},
        {"signers": (0, 1, 2, 4)},
        {"signers": (-1, 0, 1, 2)},
        {"signers": (0, 0, 1, 2)},
        {"signers": (0, 1, 2, 2)},
        {"signers": (1, 0, 2, 3)},
        {"signers": ()},
        {"signatures": ()},
        {"signatures": (bytes(64),) * 4},
        {"signatures": (b"",) * 4},
        {"signers": (), "signatures": ()},
    ],
)
def test_one_bent_field_voids_it(changes):
    assert not good(replace(KIT.certify(HEADER), **changes))


def test_one_bad_signature_among_enough_good_ones_voids_it():
    certificate = KIT.certify(HEADER)
    bent = (*certificate.signatures[:3], bytes(64))
    assert not good(replace(certificate, signatures=bent))


def test_a_signature_counted_twice_makes_no_quorum():
    certificate = KIT.certify(HEADER, signers=[0])
    twice = replace(certificate, signers=(0, 0, 0), signatures=certificate.signatures * 3)
    assert not good(twice)
    spread = replace(certificate, signers=(0, 1, 2), signatures=certificate.signatures * 3)
    assert not good(spread)


def test_a_negative_index_is_not_read_from_the_end():
    certificate = KIT.certify(HEADER)
    signatures = (certificate.signatures[3], *certificate.signatures[:2])
    assert not good(replace(certificate, signers=(-1, 0, 1), signatures=signatures))


def test_another_chain_or_committee_does_not_accept_it():
    certificate = KIT.certify(HEADER)
    assert not verify_certificate(certificate, KIT.committee, bytes(32))
    assert not good(certificate, committee=Committee(2, KIT.committee.validators))
    assert not good(certificate, committee=ChainKit(7).committee)
    assert not good(certificate, committee=Committee(1, KIT.committee.validators[::-1]))


def test_votes_about_two_things_or_from_one_validator_twice_make_no_certificate():
    votes = [
        sign_vote(KIT.validators[i], KIT.chain_id, i, VoteKind.NULLIFY, 1, view)
        for i, view in ((0, 1), (1, 2))
    ]
    for bad in (votes, [votes[0], votes[0]], []):
        with pytest.raises(Malformed):
            certificate_of(bad)


def test_a_bitmap_that_is_empty_too_long_or_beyond_the_bound_is_refused():
    raw = encode_certificate(KIT.certify(HEADER, signers=[0]))
    head, bits = raw[:57], raw[60:]
    for bitmap in (b"\x00\x00", b"\x00\x01\x00", b"\x00\x02\x01\x00", b"\xff\xff\x01"):
        with pytest.raises(Malformed):
            decode_certificate(head + bitmap + bits)


@pytest.mark.parametrize(
    "changes",
    [
        {"signers": (1, 0)},
        {"signers": ()},
        {"signers": (), "signatures": ()},
        {"signatures": ()},
        {"signatures": (b"", b"")},
        {"block_id": b""},
    ],
)
def test_what_could_not_be_read_back_is_not_written(changes):
    with pytest.raises(Malformed):
        encode_certificate(replace(KIT.certify(HEADER, signers=[0, 1]), **changes))


@given(st.sets(st.integers(0, 30), min_size=1))
@settings(deadline=None, max_examples=25)
def test_any_set_of_signers_comes_back(signers):
    plain = KIT.certify(HEADER, signers=[0])
    certificate = replace(plain, signers=tuple(sorted(signers)), signatures=plain.signatures * len(signers))
    assert decode_certificate(encode_certificate(certificate)) == certificate


def test_the_verifier_can_be_given_its_own_way_to_check_a_signature():
    calls = []

    def verify(*arguments):
        calls.append(arguments)
        return True

    forged = replace(KIT.certify(HEADER), signatures=(bytes(64),) * 4)
    assert verify_certificate(forged, KIT.committee, KIT.chain_id, verify)
    assert len(calls) == 4
