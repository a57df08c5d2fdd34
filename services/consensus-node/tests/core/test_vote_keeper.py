"""The votes of one view: any order, any number of times, forged ones among them."""

import itertools

import msgspec
from replica_bench import FINALIZE, NOTARIZE, NULLIFY, Bench, vote

from consensus_node.core.authority import Authority
from consensus_node.core.effects import Evidence, Fault
from consensus_node.core.votes import VoteKeeper
from consensus_node.simulation.signatures import fake_signer, fake_verify
from sps.chain.certificate import Certificate

A, B = b"a" * 32, b"b" * 32


def keeper(counted=None):
    def verify(*arguments):
        if counted is not None:
            counted.append(arguments)
        return fake_verify(*arguments)

    config = Bench(started=False).config
    return VoteKeeper(Authority(config, fake_signer(b"k" * 32), verify))


def forged(seat, kind=NOTARIZE, identity=A, height=1):
    return msgspec.structs.replace(vote(seat, kind, 1, height, identity), signature=bytes(64))


def test_three_of_four_make_a_certificate_in_any_order():
    for seats in itertools.permutations(range(4), 3):
        kept = keeper()
        found = [f for seat in seats for f in kept.add(vote(seat, NOTARIZE, 1, 1, A))]
        assert [type(f) for f in found] == [Certificate]
        assert found[0].signers == tuple(sorted(seats))


def test_nothing_is_verified_before_a_quorum_is_possible():
    counted = []
    kept = keeper(counted)
    kept.add(vote(0, NOTARIZE, 1, 1, A))
    kept.add(vote(1, NOTARIZE, 1, 1, A))
    assert counted == []
    kept.add(vote(2, NOTARIZE, 1, 1, A))
    assert len(counted) == 3


def test_a_late_vote_changes_nothing():
    counted = []
    kept = keeper(counted)
    for seat in range(3):
        kept.add(vote(seat, NOTARIZE, 1, 1, A))
    assert kept.add(vote(3, NOTARIZE, 1, 1, A)) == []
    assert kept.add(vote(2, NOTARIZE, 1, 1, A)) == []
    assert len(counted) == 3


def test_votes_for_different_blocks_do_not_add_up():
    kept = keeper()
    for seat, block in enumerate((A, A, B, B)):
        assert kept.add(vote(seat, NOTARIZE, 1, 1, block)) == []


def test_a_bad_signature_is_dropped_and_counted():
    kept = keeper()
    kept.add(vote(0, NOTARIZE, 1, 1, A))
    kept.add(vote(1, NOTARIZE, 1, 1, A))
    assert kept.add(forged(2)) == [Fault(2, "bad vote signature")]
    (found,) = kept.add(vote(2, NOTARIZE, 1, 1, A))
    assert isinstance(found, Certificate)


def test_forged_votes_never_keep_out_the_true_one():
    kept = keeper()
    kept.add(forged(2, identity=B))
    kept.add(forged(2, identity=b"c" * 32))
    kept.add(vote(0, NOTARIZE, 1, 1, A))
    kept.add(vote(1, NOTARIZE, 1, 1, A))
    found = kept.add(vote(2, NOTARIZE, 1, 1, A))
    assert any(isinstance(f, Certificate) for f in found)


def test_two_notarize_of_one_validator_are_evidence_once():
    kept = keeper()
    kept.add(vote(2, NOTARIZE, 1, 1, A))
    assert kept.add(vote(2, NOTARIZE, 1, 1, B)) == [
        Evidence("E1", vote(2, NOTARIZE, 1, 1, A), vote(2, NOTARIZE, 1, 1, B))
    ]
    assert not [f for f in kept.add(vote(2, NOTARIZE, 1, 1, b"c" * 32)) if isinstance(f, Evidence)]


def test_two_finalize_are_evidence_and_finalize_with_nullify_too():
    kept = keeper()
    kept.add(vote(2, FINALIZE, 1, 1, A))
    assert [f.kind for f in kept.add(vote(2, FINALIZE, 1, 1, B))] == ["E2"]
    assert [f.kind for f in kept.add(vote(2, NULLIFY, 1))] == ["E3"]


def test_nobody_is_accused_by_a_forged_vote():
    kept = keeper()
    kept.add(vote(2, NOTARIZE, 1, 1, A))
    assert not [f for f in kept.add(forged(2, identity=B)) if isinstance(f, Evidence)]
    kept.add(vote(2, NULLIFY, 1))
    assert not [f for f in kept.add(forged(2, FINALIZE)) if isinstance(f, Evidence)]


def test_notarize_with_nullify_is_no_evidence():
    kept = keeper()
    assert kept.add(vote(2, NOTARIZE, 1, 1, A)) == []
    assert kept.add(vote(2, NULLIFY, 1)) == []
