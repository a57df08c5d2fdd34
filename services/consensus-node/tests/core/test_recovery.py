"""Coming back from the log and the block store, and catching up with the others."""

import msgspec
from replica_bench import (
    FINALIZE,
    NOTARIZE,
    NOW,
    NULLIFY,
    Bench,
    batch,
    certificate,
    delivered,
    proposals,
    published,
    sign,
    vote,
)

from consensus_node.core import views
from consensus_node.core.effects import Deliver, Fault, Forget, Halt, Persist, Publish, RequestCommitted
from consensus_node.core.inputs import CommittedLearned, Cursor
from consensus_node.core.messages import Certs, Proposal, Request, RequestKind, Status
from consensus_node.core.wire import request_body, status_body
from sps.chain.block import Committed
from sps.chain.header import FLAG_DRAIN, FLAG_TIMER, block_id
from sps.signing import Domain


def chain_of(bench, length):
    """Proposals for the views 1..length, each on the one before, the first with a batch."""
    found, parent = [], None
    for view in range(1, length + 1):
        refs = [batch(1)[0]] if view == 1 else []
        cursors = {} if view == 1 else {"cursors_root": found[0].header.cursors_root}
        executed = {"exec_height": max(0, view - 4), **cursors}
        found.append(bench.proposal(view, refs, parent, time_ms=NOW + view, **executed))
        parent = found[-1].header
    return found


def committed_of(bench, proposal, *descendants):
    last = descendants[-1] if descendants else proposal
    headers = tuple(p.header for p in descendants)
    return Committed(proposal.header, proposal.refs, headers, bench.finalization(last))


def test_votes_are_published_again_byte_identical():
    bench = Bench(index=3)
    bench.stored(*batch(1))
    bench.receive(bench.proposal(1, [batch(1)[0]]))
    before = published(bench.tick(500)) + published(bench.effects, NOTARIZE)
    again = published(bench.start())
    assert sorted(again, key=lambda v: v.kind) == sorted(set(before), key=lambda v: v.kind)


def test_a_block_is_final_without_a_sync_and_a_replica_that_lost_the_news_is_told_again():
    bench = Bench(index=3)
    bench.stored(*batch(1))
    bench.receive(proposal := bench.proposal(1, [batch(1)[0]]))
    bench.certs(bench.notarization(proposal))
    said = tuple(bench.log)
    done = bench.certs(bench.finalization(proposal))
    assert delivered(done) == [1]
    assert [effect.sync for effect in done if isinstance(effect, Persist)] == [False]
    again = published(bench.start(said))
    assert {vote.kind for vote in again} == {NOTARIZE, FINALIZE}
    assert delivered(bench.certs(bench.finalization(proposal))) == [1]


def test_no_second_vote_after_a_restart():
    bench = Bench(index=3)
    bench.stored(*batch(1))
    proposal = bench.proposal(1, [batch(1)[0]])
    bench.receive(proposal)
    bench.start()
    bench.stored(*batch(1))
    assert not published(bench.receive(bench.proposal(1, [batch(1)[0]], time_ms=NOW + 1)))
    assert [v.kind for v in published(bench.certs(bench.notarization(proposal)))] == [FINALIZE]


def test_a_leader_does_not_propose_again_after_a_restart_but_repeats_what_it_proposed():
    bench = Bench(index=1)
    first = proposals(bench.stored(*batch(1)))
    again = proposals(bench.start())
    assert again == first
    assert not proposals(bench.stored(*batch(1, producer=2)))


def test_the_view_resumes_where_the_last_vote_or_certificate_was():
    bench = Bench(index=3)
    bench.certs(certificate(NULLIFY, 1), certificate(NULLIFY, 2))
    bench.start()
    assert bench.replica.standing.view == 3


def test_nullify_is_remembered_so_that_finalize_never_follows():
    bench = Bench(index=3)
    bench.stored(*batch(1))
    proposal = bench.proposal(1, [batch(1)[0]])
    bench.receive(proposal)
    bench.tick(500)
    bench.start()
    bench.stored(*batch(1))
    assert not published(bench.certs(bench.notarization(proposal)), FINALIZE)


def test_what_the_log_knows_to_be_final_is_delivered_again_when_the_block_store_lacks_it():
    bench = Bench(index=3)
    bench.stored(*batch(1))
    proposal = bench.proposal(1, [batch(1)[0]])
    bench.receive(proposal)
    assert delivered(bench.certs(bench.notarization(proposal), bench.finalization(proposal))) == [1]
    assert delivered(bench.start()) == [1]
    cursors = (Cursor(1, 1, batch(1)[0].digest),)
    assert delivered(bench.start(headers=(proposal.header,), cursors=cursors)) == []
    assert bench.replica.standing.height == 1


def test_a_block_store_that_contradicts_the_log_stops_the_replica():
    bench = Bench(index=3)
    proposal = bench.proposal(1, [batch(1)[0]])
    bench.receive(proposal)
    bench.certs(bench.finalization(proposal))
    other = bench.proposal(1, [batch(1)[0]], time_ms=NOW + 1)
    assert any(isinstance(e, Halt) for e in bench.start(headers=(other.header,)))


def test_a_log_of_another_committee_stops_the_replica():
    bench = Bench(index=3)
    five = Bench(index=3, size=5, started=False)
    assert any(isinstance(e, Halt) for e in five.start(records=bench.log))


def test_committed_blocks_carry_a_lagging_replica_across_many_heights():
    bench = Bench(index=3)
    chain = chain_of(bench, 6)
    for height in (3, 2):
        assert delivered(bench.step(CommittedLearned(NOW, committed_of(bench, chain[height - 1])))) == []
    done = bench.step(CommittedLearned(NOW, committed_of(bench, chain[0])))
    assert delivered(done) == [1, 2, 3]
    done = bench.step(CommittedLearned(NOW, committed_of(bench, chain[3], chain[4], chain[5])))
    assert delivered(done) == [4]
    assert bench.replica.standing.view == 7


def test_a_gap_of_heights_is_asked_for():
    bench = Bench(index=3)
    chain = chain_of(bench, 3)
    bench.step(CommittedLearned(NOW, committed_of(bench, chain[2])))
    asked = [e for e in bench.tick(50) if isinstance(e, RequestCommitted)]
    assert asked == [RequestCommitted(1, 3)]


def test_a_claim_without_a_quorum_is_ignored():
    bench = Bench(index=3)
    (proposal,) = chain_of(bench, 1)
    weak = certificate(FINALIZE, 1, 1, block_id(proposal.header), seats=(1, 2))
    done = bench.step(CommittedLearned(NOW, Committed(proposal.header, proposal.refs, (), weak)))
    assert [type(e) for e in done if not isinstance(e, Persist)] == [Fault]
    assert bench.replica.standing.known_height == 0


def test_a_second_final_block_at_a_height_stops_the_replica():
    bench = Bench(index=3)
    (first,) = chain_of(bench, 1)
    bench.step(CommittedLearned(NOW, committed_of(bench, first)))
    other = bench.proposal(1, [batch(1)[0]], time_ms=NOW + 5)
    done = bench.step(CommittedLearned(NOW, committed_of(bench, other)))
    assert [e.height for e in done if isinstance(e, Halt)] == [1]


def test_a_block_seen_on_the_topic_is_not_written_again():
    bench = Bench(index=2)
    (proposal,) = chain_of(bench, 1)
    bench.receive(proposal)
    bench.certs(bench.finalization(proposal))
    bench.step(CommittedLearned(NOW, committed_of(bench, proposal)))
    assert not [e for e in bench.tick(1_000) if not isinstance(e, Publish) and hasattr(e, "committed")]


def test_old_views_are_forgotten_at_finalization():
    bench = Bench(index=3)
    bench.certs(certificate(NULLIFY, 1), certificate(NULLIFY, 2))
    proposal = bench.proposal(3 + 1, [batch(1)[0]], nullified=(3, 2, 1))
    bench.receive(proposal)
    done = bench.certs(bench.finalization(proposal))
    assert [e.below_view for e in done if isinstance(e, Forget)] == [4]
    assert not bench.replica._state.rounds.keys() - {5}


def test_a_very_long_run_without_a_final_block_is_bounded(monkeypatch):
    monkeypatch.setattr(views, "ROUNDS_MAX", 10)
    bench = Bench(index=0)
    proposal = bench.proposal(3, [batch(1)[0]], nullified=(2, 1))
    bench.receive(proposal)
    bench.certs(bench.notarization(proposal))
    for view in range(4, 40):
        bench.certs(certificate(NULLIFY, view))
    state = bench.replica._state
    assert min(state.rounds) == 3
    assert state.floor == 2
    assert state.tree.get(block_id(proposal.header)) is not None


def status_of(bench, seat, view, height):
    status = Status(seat, 1, view, height, bytes(32), 0, bytes(32), bench.now, b"")
    signature = sign(bench.size, seat, Domain.STATUS, status_body(status))
    return msgspec.structs.replace(status, signature=signature)


def test_who_says_that_it_lags_is_helped_with_certificates_within_a_rate():
    bench = Bench(index=3)
    bench.certs(certificate(NULLIFY, 1))
    done = bench.receive(status_of(bench, 1, 1, 0))
    assert [e.message for e in done if isinstance(e, Publish)] == [Certs((certificate(NULLIFY, 1),))]
    assert bench.receive(status_of(bench, 1, 1, 0)) == ()
    bench.tick(250)
    assert bench.receive(status_of(bench, 1, 1, 0)) != ()


def test_a_forged_status_helps_nobody():
    bench = Bench(index=3)
    bench.certs(certificate(NULLIFY, 1))
    forged = msgspec.structs.replace(status_of(bench, 1, 1, 0), signature=bytes(64))
    assert bench.receive(forged) == (Fault(1, "bad status signature"),)


def request_of(bench, seat, kind, first, last):
    request = Request(seat, kind, 1, first, last, 0, b"")
    signature = sign(bench.size, seat, Domain.REQUEST, request_body(request))
    return msgspec.structs.replace(request, signature=signature)


def test_certificates_are_served_by_view_in_bounded_messages():
    bench = Bench(index=3)
    bench.certs(*[certificate(NULLIFY, view) for view in range(1, 31)])
    done = bench.receive(request_of(bench, 1, RequestKind.CERTIFICATES, 5, 25))
    sizes = [len(e.message.certificates) for e in done if isinstance(e, Publish)]
    assert sizes == [16, 5]


def test_notarized_blocks_are_served_by_view():
    bench = Bench(index=3)
    (proposal,) = chain_of(bench, 1)
    bench.receive(proposal)
    bench.certs(bench.notarization(proposal))
    done = bench.receive(request_of(bench, 1, RequestKind.PROPOSALS, 1, 5))
    again = [e.message for e in done if isinstance(e, Publish) and isinstance(e.message, Proposal)]
    assert [p.header for p in again] == [proposal.header]


def test_a_missing_notarized_block_is_asked_for():
    bench = Bench(index=3)
    (proposal,) = chain_of(bench, 1)
    bench.certs(bench.notarization(proposal))
    asked = [e.message for e in bench.tick(50) if isinstance(e, Publish)]
    assert [(r.kind, r.from_view) for r in asked if isinstance(r, Request)] == [(RequestKind.PROPOSALS, 1)]


def test_missing_nullifications_of_a_proposal_are_asked_for():
    bench = Bench(index=0)
    bench.receive(bench.proposal(7, [batch(1)[0]], nullified=(6, 5, 4, 3)))
    asked = [e.message for e in bench.tick(50) if isinstance(e, Publish)]
    found = [(r.from_view, r.to_view) for r in asked if isinstance(r, Request)]
    assert found == [(1, 2)]


def test_a_drain_block_is_proposed_when_the_result_it_would_carry_cannot_become_final():
    bench = Bench(index=1)
    bench.stored(*batch(1))
    chain = chain_of(bench, 1)
    own = proposals(bench.effects)
    parent = own[0]
    bench.certs(bench.notarization(parent))
    for view in range(2, 5):
        child = bench.proposal(
            view,
            parent=parent.header,
            time_ms=NOW + view,
            cursors_root=chain[0].header.cursors_root,
            flags=FLAG_TIMER,
        )
        bench.receive(child)
        bench.certs(bench.notarization(child))
        parent = child
    assert bench.replica.standing.view == 5
    assert not proposals(bench.tick(50))
    (drain,) = proposals(bench.tick(100))
    assert (drain.header.flags, drain.header.exec_height, drain.header.height) == (FLAG_DRAIN, 0, 5)
    done = bench.certs(bench.finalization(drain))
    assert delivered(done) == [1, 2, 3, 4, 5]
    assert isinstance(next(e for e in done if isinstance(e, Deliver)), Deliver)


def test_votes_outside_the_window_are_not_kept():
    bench = Bench(index=3)
    bench.votes(vote(1, NULLIFY, 1_000))
    assert 1_000 not in bench.replica._state.rounds
