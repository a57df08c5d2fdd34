"""The validator rules R1 to R3, one replica at a time. The others: `test_rules_later`."""

import msgspec
import pytest
from replica_bench import (
    FINALIZE,
    NOTARIZE,
    NOW,
    NULLIFY,
    Bench,
    batch,
    certificate,
    proposals,
    published,
)

from consensus_node.core.effects import InvalidProposal, Persist, Publish, RequestBatches, Wake
from sps.chain.header import FLAG_DRAIN, FLAG_HEARTBEAT, FLAG_TIMER, block_id


def test_r1_an_idle_replica_waits_for_the_heartbeat_only():
    bench = Bench(index=3)
    wakes = [e.at_ms for e in bench.effects if isinstance(e, Wake)]
    assert wakes[-1] == bench.config.genesis_time_ms + bench.parameters.heartbeat_ms


def test_r1_no_view_passes_without_work():
    bench = Bench(index=3)
    done = bench.tick(5_000)
    assert not [e for e in done if isinstance(e, Publish)]
    assert bench.replica.standing.view == 1


@pytest.mark.parametrize("kind", [NOTARIZE, FINALIZE])
def test_r1_a_certificate_of_a_block_opens_the_next_view(kind):
    bench = Bench(index=3)
    bench.certs(certificate(kind, 5, 1, b"x" * 32))
    assert bench.replica.standing.view == 6


def test_r1_a_nullification_opens_the_next_view_and_a_late_one_changes_nothing():
    bench = Bench(index=3)
    bench.certs(certificate(NULLIFY, 5))
    bench.certs(certificate(NULLIFY, 3))
    assert bench.replica.standing.view == 6


def test_r1_a_certificate_with_one_bad_signature_opens_nothing():
    bench = Bench(index=3)
    good = certificate(NULLIFY, 1)
    bench.certs(msgspec.structs.replace(good, signatures=(*good.signatures[:2], bytes(64))))
    assert bench.replica.standing.view == 1


def test_r1_timeouts_grow_by_half_up_to_the_cap_and_start_again_after_a_finalization():
    bench = Bench(index=3)
    state = bench.replica._state
    seen = []
    for state.timeouts in (0, 1, 2, 30):
        seen.append(state.back_off(500))
    assert seen == [500, 751, 1127, 10_000]
    proposal = bench.proposal(1, [batch(1)[0]])
    bench.receive(proposal)
    bench.certs(bench.finalization(proposal))
    assert state.timeouts == 0


def test_r2_the_leader_proposes_all_contiguous_batches_once():
    bench = Bench(index=1, min_block_interval_ms=0)
    first, second, gap = batch(1), batch(2, prev=batch(1)[0].digest), batch(4, prev=b"?" * 32)
    bench.stored(*gap)
    bench.stored(*second)
    (proposal,) = proposals(bench.stored(*first))
    assert proposal.refs == (first[0], second[0])
    assert not proposals(bench.stored(*batch(1, producer=2)))


def test_r2_the_proposal_is_durable_before_it_is_sent():
    bench = Bench(index=1, min_block_interval_ms=0)
    done = bench.stored(*batch(1))
    kinds = [type(e) for e in done]
    assert kinds.index(Persist) < kinds.index(Publish)
    (persist,) = [e for e in done if isinstance(e, Persist)]
    assert persist.sync
    assert len(persist.records) == 2


def test_r2_the_leader_builds_on_the_highest_notarized_block_over_nullified_views():
    bench = Bench(index=3, min_block_interval_ms=0)
    ref, prev = batch(1)
    bench.stored(ref, prev)
    first = bench.proposal(1, [ref])
    bench.receive(first)
    bench.certs(bench.notarization(first))
    assert not proposals(bench.effects)
    (proposal,) = proposals(bench.certs(certificate(NULLIFY, 2)))
    assert proposal.header.parent_id == block_id(first.header)
    assert [c.view for c in proposal.nullifications] == [2]
    assert proposal.header.flags == FLAG_TIMER


def test_r2_the_leader_waits_while_a_view_below_is_open():
    bench = Bench(index=3, min_block_interval_ms=0)
    bench.stored(*batch(1))
    bench.certs(certificate(NULLIFY, 2))
    assert bench.replica.standing.view == 3
    assert not proposals(bench.effects)
    assert proposals(bench.certs(certificate(NULLIFY, 1)))


def test_r2_blocks_keep_their_interval():
    bench = Bench(index=2, min_block_interval_ms=25)
    ref, prev = batch(1)
    bench.stored(ref, prev)
    first = bench.proposal(1, [ref])
    bench.receive(first)
    bench.certs(bench.notarization(first))
    assert not proposals(bench.tick(24))
    assert proposals(bench.tick(1))


def ready(index=3):
    bench = Bench(index=index)
    ref, prev = batch(1)
    bench.stored(ref, prev)
    return bench, ref


def test_r3_a_valid_block_is_notarized_and_only_one_per_view():
    bench, ref = ready()
    proposal = bench.proposal(1, [ref])
    (mine,) = published(bench.receive(proposal))
    assert (mine.kind, mine.block_id) == (NOTARIZE, block_id(proposal.header))
    other = bench.proposal(1, [ref], time_ms=NOW + 1)
    assert not published(bench.receive(other))
    assert not published(bench.receive(proposal))


def test_r3_only_the_leader_of_the_view_is_heard():
    bench, ref = ready()
    assert not published(bench.receive(bench.proposal(1, [ref], leader_seat=2)))


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 2},
        {"cursors_root": b"c" * 32},
        {"exec_height": 1},
        {"app_hash": b"a" * 32},
        {"results_root": b"r" * 32},
        {"time_ms": NOW - 1_000},
        {"time_ms": NOW - 600},
        {"evidence_root": b"e" * 32},
        {"state_root": b"s" * 32},
        {"committee_hash": b"k" * 32},
        {"flags": FLAG_HEARTBEAT},
        {"tx_count": 2},
        {"batch_count": 2},
    ],
    ids=str,
)
def test_r3_a_block_that_can_never_be_valid_gives_the_view_up(changes):
    bench, ref = ready()
    if changes == {"time_ms": NOW - 600}:
        bench.tick(2_000)
        bench.log.clear()
        bench.start()
        bench.stored(*batch(1))
    done = bench.receive(bench.proposal(1, [ref], **changes))
    assert [v.kind for v in published(done)] == [NULLIFY]


def test_r3_an_invalid_proposal_is_kept_as_evidence():
    bench, ref = ready()
    proposal = bench.proposal(1, [ref], cursors_root=b"c" * 32)
    (found,) = [e for e in bench.receive(proposal) if isinstance(e, InvalidProposal)]
    assert found.proposal.header == proposal.header


def test_r3_references_that_somebody_bent_on_the_way_do_not_spoil_the_true_proposal():
    """They are not under the leader's signature, only under the root in its header: nobody is proved guilty."""
    bench, ref = ready()
    proposal = bench.proposal(1, [ref])
    for refs in ((), (ref, ref), (batch(1, tag=b"another")[0],)):
        done = bench.receive(msgspec.structs.replace(proposal, refs=refs))
        assert not published(done)
        assert not [e for e in done if isinstance(e, InvalidProposal)]
    assert [v.kind for v in published(bench.receive(proposal))] == [NOTARIZE]


def test_r3_a_batch_out_of_sequence_is_refused():
    bench = Bench(index=3)
    bench.stored(*batch(2, prev=batch(1)[0].digest))
    done = bench.receive(bench.proposal(1, [batch(2)[0]]))
    assert [v.kind for v in published(done)] == [NULLIFY]


def test_r3_a_missing_batch_is_waited_for_and_asked_for():
    bench = Bench(index=3)
    ref, prev = batch(1)
    assert not published(bench.receive(bench.proposal(1, [ref])))
    asked = [e.refs for e in bench.tick(50) if isinstance(e, RequestBatches)]
    assert asked == [(ref,)]
    assert [v.kind for v in published(bench.stored(ref, prev))] == [NOTARIZE]


def test_r3_a_proposal_from_the_future_waits_until_its_time():
    bench, ref = ready()
    assert not published(bench.receive(bench.proposal(1, [ref], time_ms=NOW + 600)))
    assert [v.kind for v in published(bench.tick(100))] == [NOTARIZE]


def test_r3_execution_that_lags_is_waited_for():
    ref, _ = batch(1)
    fresh = Bench(index=3, started=False)
    fresh.start()
    fresh.replica._state.results._outcomes.clear()
    fresh.stored(*batch(1))
    assert not published(fresh.receive(fresh.proposal(1, [ref])), NOTARIZE)
    assert [v.kind for v in published(fresh.executed(0))] == [NOTARIZE]


def test_r3_a_view_that_is_not_known_to_be_nullified_blocks_the_vote():
    bench, ref = ready(index=0)
    bench.certs(certificate(NULLIFY, 2))
    proposal = bench.proposal(3, [ref])
    assert not published(bench.receive(proposal), NOTARIZE)
    assert [v.kind for v in published(bench.certs(certificate(NULLIFY, 1)))] == [NOTARIZE]


def test_r3_the_proposal_brings_what_its_ancestry_needs():
    bench, ref = ready(index=0)
    proposal = bench.proposal(3, [ref], nullified=(2, 1))
    assert [v.kind for v in published(bench.receive(proposal))] == [NOTARIZE]


def test_r3_an_empty_block_without_a_reason_is_not_notarized():
    bench = Bench(index=3)
    assert not published(bench.receive(bench.proposal(1)))
    assert [v.kind for v in published(bench.receive(bench.proposal(1, flags=0)))] == [NULLIFY]


def test_r3_a_heartbeat_is_notarized_when_it_is_due():
    bench = Bench(index=3)
    bench.tick(9_000)
    assert [v.kind for v in published(bench.receive(bench.proposal(1, flags=FLAG_HEARTBEAT)))] == [NOTARIZE]


def test_r3_a_due_deadline_makes_an_empty_block_legal():
    bench = Bench(index=3)
    bench.executed(0, deadline=NOW + 10)
    bench.tick(10)
    assert [v.kind for v in published(bench.receive(bench.proposal(1)))] == [NOTARIZE]


def test_a_due_deadline_is_work_for_the_leader():
    bench = Bench(index=1, min_block_interval_ms=0)
    bench.executed(0, deadline=NOW + 10)
    (proposal,) = proposals(bench.tick(10))
    assert (proposal.header.flags, proposal.refs) == (FLAG_TIMER, ())


def test_a_drain_block_fires_no_deadline_so_it_stays_due_above_it():
    bench = Bench(index=3, min_block_interval_ms=0)
    first = bench.proposal(1, [batch(1)[0]])
    bench.receive(first)
    cursors = first.header.cursors_root
    drain = bench.proposal(2, parent=first.header, flags=FLAG_DRAIN, cursors_root=cursors)
    bench.receive(drain)
    bench.executed(0, deadline=drain.header.time_ms)
    bench.certs(bench.finalization(first))
    bench.executed(1, deadline=drain.header.time_ms)
    bench.now = drain.header.time_ms + 5
    (proposal,) = proposals(bench.certs(bench.notarization(drain)))
    assert (proposal.header.flags, proposal.header.height) == (FLAG_TIMER, 3)
