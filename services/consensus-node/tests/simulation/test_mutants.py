"""The checks can fail: each broken rule is caught within a bounded number of seeds."""

import msgspec

from consensus_node.core import authority, propose, replica, validity, views, voting
from consensus_node.core.batches import BatchIndex
from consensus_node.core.outbox import Outbox
from consensus_node.simulation.checks import Breach
from consensus_node.simulation.node import Node
from consensus_node.simulation.plan import draw_plan
from consensus_node.simulation.world import World
from sps.chain import certificate
from sps.chain.header import block_id
from sps.chain.vote import VoteKind

SEEDS_MAX = 150


def first_breach(seeds=SEEDS_MAX, size=None, node_class=Node):
    for seed in range(seeds):
        try:
            World(draw_plan(seed, size), node_class=node_class).run()
        except Breach as breach:
            return str(breach)
    return None


def test_finalize_after_nullify_is_caught(monkeypatch):
    monkeypatch.setattr(voting, "may_finalize", lambda round_: VoteKind.FINALIZE not in round_.mine)
    assert "FINALIZE and NULLIFY" in first_breach()


class Forgetful(Node):
    """Its disk loses the whole log in a crash."""

    def crash(self):
        self._synced = []
        self._unsynced = []
        super().crash()


def test_a_log_lost_in_a_crash_is_caught():
    assert first_breach(node_class=Forgetful) is not None


def test_a_quorum_of_three_in_six_is_caught(monkeypatch):
    def two_f_plus_one(committee, weight):
        return weight >= 2 * ((len(committee.validators) - 1) // 3) + 1

    monkeypatch.setattr(authority, "quorum_reached", two_f_plus_one)
    monkeypatch.setattr(certificate, "quorum_reached", two_f_plus_one)
    breach = first_breach(size=6)
    assert "two final blocks" in breach or "contradicts" in breach or "does not follow" in breach


def test_six_nodes_with_the_right_quorum_hold():
    assert first_breach(seeds=30, size=6) is None


def test_a_leader_that_proposes_twice_is_caught(monkeypatch):
    honest = propose.build

    def build_again(state, parent):
        block = honest(state, parent)
        again = len(state.round(state.view).proposals)
        if block is not None and again:
            block.header = msgspec.structs.replace(block.header, time_ms=block.header.time_ms + again)
            block.id = block_id(block.header)
        return block

    monkeypatch.setattr(propose, "build", build_again)
    monkeypatch.setattr(propose, "may_propose", lambda round_: len(round_.proposals) < 2)
    monkeypatch.setattr(voting, "may_notarize", lambda _: True)
    assert "two NOTARIZE" in first_breach()


def test_a_network_that_repeats_nothing_does_not_recover(monkeypatch):
    monkeypatch.setattr(replica, "resend_due", lambda _: None)
    assert "not recovered" in first_breach()


def test_a_chain_that_never_idles_is_caught(monkeypatch):
    monkeypatch.setattr(views, "has_work", lambda _: True)
    assert "records on an idle chain" in first_breach()


def test_batches_out_of_order_are_caught(monkeypatch):
    honest = BatchIndex.select
    monkeypatch.setattr(BatchIndex, "select", lambda self, cursors: honest(self, cursors)[::-1])
    monkeypatch.setattr(validity, "_content", lambda *_: validity.VALID)
    assert "is ordered after" in first_breach()


class Divergent(Node):
    """Seat 0 computes another result for every height with batches."""

    def _report(self, height):
        outcome = self.outcomes[height]
        if self.index == 0 and outcome.changed:
            self.outcomes[height] = msgspec.structs.replace(outcome, app_hash=b"!" * 32)
        super()._report(height)


def test_a_replica_that_computes_another_result_stops():
    assert "node 0 halted" in first_breach(size=4, node_class=Divergent)


def test_publishing_before_the_log_is_synced_is_caught(monkeypatch):
    honest = Outbox.flush
    monkeypatch.setattr(Outbox, "flush", lambda self: honest(self)[::-1])
    assert "not durable" in first_breach()


def propose_on_the_final_block(monkeypatch):
    """Seat 0 is Byzantine: it builds on its final block, whatever has been notarized above."""
    honest = propose.choose_parent

    def choose(state):
        return state.tree.tip if state.config.index == 0 else honest(state)

    monkeypatch.setattr(propose, "choose_parent", choose)


def test_unchecked_ancestry_is_caught(monkeypatch):
    propose_on_the_final_block(monkeypatch)
    monkeypatch.setattr(validity, "ancestry_gap", lambda *_: ())
    breach = first_breach(seeds=2_000, size=4)
    assert "two final blocks" in breach or "contradicts" in breach or "does not follow" in breach


def test_checked_ancestry_withstands_the_same_leader(monkeypatch):
    propose_on_the_final_block(monkeypatch)
    assert first_breach(seeds=40, size=4) is None
