"""The validator rules R4 to R8, and what stops a replica, one replica at a time."""

import pytest
from replica_bench import (
    FINALIZE,
    NOTARIZE,
    NOW,
    NULLIFY,
    Bench,
    announced,
    batch,
    certificate,
    delivered,
    proposals,
    published,
    vote,
)

from consensus_node.core.effects import Halt, Persist, Publish
from consensus_node.core.messages import Proposal, Votes
from consensus_node.core.rounds import Round, may_nullify
from consensus_node.simulation.signatures import fake_verify
from sps.chain.block import verify_committed
from sps.chain.header import block_id


def ready(index=3):
    bench = Bench(index=index)
    ref, prev = batch(1)
    bench.stored(ref, prev)
    return bench, ref


def test_r4_the_view_is_given_up_when_no_proposal_comes():
    bench, _ = ready()
    assert not published(bench.tick(249))
    assert [v.kind for v in published(bench.tick(1))] == [NULLIFY]


def test_r4_the_view_is_given_up_when_no_certificate_comes():
    bench, ref = ready()
    bench.receive(bench.proposal(1, [ref]))
    assert not published(bench.tick(499))
    assert [v.kind for v in published(bench.tick(1))] == [NULLIFY]


def test_r4_the_view_is_given_up_when_its_leader_does():
    bench, _ = ready()
    assert not published(bench.votes(vote(2, NULLIFY, 1)))
    assert [v.kind for v in published(bench.votes(vote(1, NULLIFY, 1)))] == [NULLIFY]


def test_r4_a_leader_silent_for_two_rounds_is_skipped():
    bench = Bench(index=3)
    for view in range(1, 12):
        for seat in (0, 2):
            bench.votes(vote(seat, NOTARIZE, view, view, b"x" * 32))
        bench.certs(certificate(NULLIFY, view))
    bench.certs(certificate(NULLIFY, 12))
    assert bench.replica.standing.view == 13
    assert [v.kind for v in published(bench.stored(*batch(1)))] == [NULLIFY]


def test_r4_never_after_finalize_in_the_same_view():
    bench = Bench(index=3)
    found = Round(1, bench.replica._state.authority)
    assert may_nullify(found)
    found.mine[FINALIZE] = vote(3, FINALIZE, 1, 1, b"x" * 32)
    assert not may_nullify(found)


def test_r4_a_third_of_nullify_votes_wakes_a_replica_that_sees_no_work():
    bench = Bench(index=3)
    bench.votes(vote(0, NULLIFY, 1))
    assert not published(bench.tick(300))
    bench.votes(vote(2, NULLIFY, 1))
    assert [v.kind for v in published(bench.tick(300))] == [NULLIFY]


def test_r5_finalize_follows_the_notarization_when_block_and_batches_are_here():
    bench, ref = ready()
    proposal = bench.proposal(1, [ref])
    bench.receive(proposal)
    (mine,) = published(bench.certs(bench.notarization(proposal)))
    assert (mine.kind, mine.block_id) == (FINALIZE, block_id(proposal.header))
    assert not published(bench.certs(bench.notarization(proposal)))


def test_r5_finalize_waits_for_the_batches():
    bench = Bench(index=3)
    ref, prev = batch(1)
    proposal = bench.proposal(1, [ref])
    bench.receive(proposal)
    assert not published(bench.certs(bench.notarization(proposal)))
    assert [v.kind for v in published(bench.stored(ref, prev))] == [FINALIZE]


def test_r5_never_after_nullify():
    bench, ref = ready()
    proposal = bench.proposal(1, [ref])
    bench.receive(proposal)
    bench.tick(500)
    assert not published(bench.certs(bench.notarization(proposal)), FINALIZE)


def test_r5_may_be_sent_after_the_view_has_passed():
    bench, ref = ready()
    proposal = bench.proposal(1, [ref])
    bench.certs(bench.notarization(proposal), certificate(NULLIFY, 2))
    assert bench.replica.standing.view == 3
    assert [v.kind for v in published(bench.receive(proposal))] == [FINALIZE]


def test_r6_a_finalization_makes_all_ancestors_final_in_order():
    bench = Bench(index=3)
    first_ref, second_ref = batch(1), batch(2, prev=batch(1)[0].digest)
    bench.stored(*first_ref)
    bench.stored(*second_ref)
    first = bench.proposal(1, [first_ref[0]])
    bench.receive(first)
    second = bench.proposal(2, [second_ref[0]], parent=first.header)
    bench.receive(second)
    done = bench.certs(bench.finalization(second))
    assert delivered(done) == [1, 2]
    committed = [e.committed for e in done if hasattr(e, "committed")]
    for block in committed:
        verify_committed(block, bench.config.committee, bench.config.chain_id, fake_verify)


def test_r6_the_leader_writes_the_final_block_at_once():
    bench = Bench(index=1)
    (proposal,) = proposals(bench.stored(*batch(1)))
    assert announced(bench.certs(bench.finalization(proposal))) == [1]


@pytest.mark.parametrize(("index", "wait"), [(2, 200), (3, 400), (0, 600)])
def test_r6_the_others_write_it_by_rank(index, wait):
    bench = Bench(index=index)
    proposal = bench.proposal(1, [batch(1)[0]])
    bench.receive(proposal)
    assert announced(bench.certs(bench.finalization(proposal))) == []
    assert announced(bench.tick(wait - 1)) == []
    assert announced(bench.tick(1)) == [1]


def test_r6_a_finalization_against_the_final_chain_stops_the_replica():
    bench = Bench(index=3)
    bench.receive(first := bench.proposal(1, [batch(1)[0]]))
    bench.certs(bench.finalization(first))
    fork = bench.proposal(2, [batch(1)[0]], parent=None, time_ms=NOW + 1)
    bench.receive(fork)
    (halt,) = [e for e in bench.certs(bench.finalization(fork)) if isinstance(e, Halt)]
    assert "contradicts" in halt.reason
    assert bench.tick(10_000) == ()


def test_r7_everything_of_the_view_is_repeated_byte_identical():
    bench, ref = ready()
    before = published(bench.receive(bench.proposal(1, [ref])))
    again = [v for _ in range(4) for v in published(bench.tick(250), NOTARIZE)]
    assert before == again


def test_r7_the_leader_repeats_its_proposal():
    bench = Bench(index=1, min_block_interval_ms=0)
    first = proposals(bench.stored(*batch(1)))
    assert [p for _ in range(4) for p in proposals(bench.tick(250))] == first


def test_r8_notarize_is_still_allowed_in_a_nullified_view():
    bench, ref = ready()
    assert [v.kind for v in published(bench.tick(250))] == [NULLIFY]
    assert [v.kind for v in published(bench.receive(bench.proposal(1, [ref])))] == [NOTARIZE]


def test_one_validator_alone_proposes_and_finalizes_in_one_step():
    bench = Bench(index=0, size=1)
    done = bench.stored(*batch(1))
    assert delivered(done) == [1]
    assert isinstance(done[0], Persist)


def test_a_quorum_with_another_result_stops_the_replica_with_the_height():
    bench = Bench(index=3)
    bench.receive(proposal := bench.proposal(1, [batch(1)[0]], app_hash=b"a" * 32))
    (halt,) = [e for e in bench.certs(bench.finalization(proposal)) if isinstance(e, Halt)]
    assert (halt.height, delivered(bench.effects)) == (0, [])


def test_an_own_vote_that_is_not_in_the_log_stops_the_replica():
    bench = Bench(index=3)
    (halt,) = [e for e in bench.votes(vote(3, NULLIFY, 1)) if isinstance(e, Halt)]
    assert "key" in halt.reason


def test_own_messages_may_come_back():
    bench, ref = ready()
    for message in [e.message for e in bench.receive(bench.proposal(1, [ref])) if isinstance(e, Publish)]:
        assert isinstance(message, Votes | Proposal)
        assert bench.receive(message) == ()


def test_an_observer_follows_and_signs_nothing():
    bench = Bench(index=3, voting=False)
    ref, prev = batch(1)
    bench.stored(ref, prev)
    proposal = bench.proposal(1, [ref])
    bench.receive(proposal)
    bench.tick(20_000)
    assert delivered(bench.certs(bench.finalization(proposal))) == [1]
    assert not [e for e in bench.effects if isinstance(e, Publish)]
