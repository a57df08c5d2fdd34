"""Execution is deterministic and total: whatever was ordered gives receipts, and only they and the state move."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import chain_world
import pytest
from chain_world import FEES, PRODUCER_OF, WISH, Deal, World, header_of, terms
from msgspec.structs import replace

from sps.chain import execution, merkle
from sps.chain.binary import ZERO_HASH
from sps.chain.execution import execute
from sps.chain.header import cursors_root, ref_of
from sps.chain.receipt import encode_receipt
from sps.chain.state import RESULTS_KEPT, BlockResult
from sps.escrow.clocks import OFFER
from sps.escrow.refusals import Defect
from sps.escrow.state import encode
from sps.ledger import postings
from sps.transactions import codec
from sps.transactions.terms import DAY_MS

API, CARRIER = PRODUCER_OF["api"], PRODUCER_OF["carrier"]


def road(deal: Deal, world: World) -> list:
    return [deal.offer(), deal.accept(), deal.pay(), deal.book(), deal.delivered(world.now_ms)]


def test_the_normal_road_runs_through_in_one_block():
    world, deal = World(), Deal(agreed=terms(payout=WISH, fees=FEES))
    receipts = world.block(*road(deal, world))
    assert [receipt.code for receipt in receipts] == ["OK"] * 5
    assert [receipt.index for receipt in receipts] == [0, 1, 2, 3, 4]
    assert [receipt.version for receipt in receipts] == [1, 2, 3, 4, 5]


def test_a_receipt_names_the_transaction_and_states_the_value_after_it():
    world, deal = World(), Deal()
    offer, accept = deal.offer(), deal.accept()
    first, second = world.block(offer, accept)
    assert first.transaction == hashlib.sha256(codec.encode(offer)).hexdigest()
    assert second.state == hashlib.sha256(encode(world.state.contracts[deal.id])).hexdigest()
    other = World()
    assert other.block(offer)[0].state == first.state
    assert first.state == hashlib.sha256(encode(other.state.contracts[deal.id])).hexdigest()


def test_the_results_root_is_the_tree_over_the_receipts():
    world, deal = World(), Deal()
    receipts = world.block(deal.offer(), deal.accept())
    result = world.state.result_of(1)
    assert result.results_root == merkle.root([encode_receipt(receipt) for receipt in receipts])
    assert deal.id in result.touched


def test_a_block_that_does_nothing_keeps_the_application_hash():
    world, deal = World(), Deal()
    world.do(deal.offer())
    before = world.state.app_hash
    assert world.block() == ()
    assert world.state.result_of(2) == BlockResult(2, before, ZERO_HASH)


def test_the_application_hash_depends_on_every_write():
    one, other = World(), World()
    one.do(Deal().offer())
    other.do(Deal(agreed=terms(99_999)).offer())
    assert one.state.app_hash != other.state.app_hash


def test_the_opening_floats_stand_in_the_first_state():
    world = World(floats=[("alipay", "EUR", 5_000), ("stripe", "EUR", 7)])
    assert world.state.balances == {
        "1000/alipay/EUR": 5_000,
        "1000/stripe/EUR": 7,
        "5100/capital/EUR": -5_007,
    }
    assert world.state.result_of(0).app_hash != World().state.result_of(0).app_hash


def test_bytes_that_are_no_transaction_are_recorded_as_malformed():
    world = World()
    good = codec.encode(Deal().offer())
    receipts = world.raw_block([(API, [b"{}", b"\xff", good + b" ", good])])
    assert [receipt.code for receipt in receipts] == ["MALFORMED"] * 3 + ["OK"]
    assert receipts[0].transaction == hashlib.sha256(b"{}").hexdigest()


def test_a_producer_sends_only_what_its_role_vouches_for():
    world, deal = World(), Deal()
    world.do(deal.offer(), deal.accept())
    (receipt,) = world.raw_block([(CARRIER, [codec.encode(deal.pay())])])
    assert (receipt.code, receipt.subject) == ("NOT_AUTHORISED", deal.id)
    assert world.state.balances.get("1000/alipay/CNY") is None


def run_batch(world: World, batch, ref=None):
    header = header_of(world.state, world.now_ms, (batch,))
    return execute(world.state, header, [ref or ref_of(batch.header)], [batch])


def test_a_batch_that_contradicts_its_header_is_void_as_a_whole():
    world = World()
    raws = [codec.encode(Deal(str(i)).offer()) for i in range(2)]
    batch = world.batch(API, raws)
    lying = replace(batch, header=replace(batch.header, tx_root=ZERO_HASH))
    cut = replace(batch, payload=batch.payload[:-1])
    miscounted = replace(batch, header=replace(batch.header, tx_count=3))
    for bad in (lying, cut, miscounted):
        (receipt,) = run_batch(world, bad)
        assert (receipt.code, receipt.subject, receipt.kind) == ("VOID_BATCH", "1/1", "batch")
    assert world.state.contracts == {}
    assert len(run_batch(world, batch)) == 2


def test_a_batch_of_an_unknown_producer_is_void():
    world = World()
    (receipt,) = run_batch(world, world.batch(77, [codec.encode(Deal().offer())]))
    assert receipt.code == "VOID_BATCH"


def test_the_cursors_follow_the_batches():
    world, deal = World(), Deal()
    world.do(deal.offer(), deal.accept(), deal.pay())
    assert {producer: seq for producer, (seq, _) in world.state.cursors.items()} == {1: 2, 3: 1}
    assert len(cursors_root(world.state.cursors)) == 32


def test_deadlines_fire_before_the_transactions_of_the_block():
    world, deal = World(), Deal()
    world.do(deal.offer())
    late = world.state.contracts[deal.id].opened_ms + 5 * DAY_MS
    receipts = world.block(deal.accept(), at_ms=late)
    assert [(r.kind, r.code) for r in receipts] == [
        (f"deadline.{OFFER}", "OK"),
        ("contract.accept.v1", "CONTRACT_ENDED"),
    ]


def test_deadlines_fire_oldest_first_then_by_owner_and_only_so_many_in_a_block(monkeypatch):
    monkeypatch.setattr(execution, "DEADLINES_PER_BLOCK_MAX", 3)
    world = World()
    deals = [Deal(str(i)) for i in range(4)]
    world.block(*(deal.offer() for deal in deals))
    world.do(Deal("later").offer())
    first, second, third = world.wait(6 * DAY_MS), world.block(), world.block()
    owners = [receipt.subject for receipt in (*first, *second)]
    assert owners == [*sorted(deal.id for deal in deals), Deal("later").id]
    assert (len(first), len(second), len(third)) == (3, 2, 0)


def test_the_next_deadline_is_the_earliest_one_that_still_runs():
    world, deal = World(), Deal()
    assert world.state.next_deadline_ms() is None
    world.do(deal.offer())
    opened = world.now_ms
    assert world.state.next_deadline_ms() == opened + 5 * DAY_MS
    world.do(deal.accept())
    assert world.state.next_deadline_ms() == world.now_ms + 10 * DAY_MS
    world.do(deal.withdraw())
    assert world.state.next_deadline_ms() is None


def test_stale_deadlines_are_swept(monkeypatch):
    monkeypatch.setattr("sps.chain.state.HEAP_SLACK", 5)
    world = World()
    for i in range(30):
        deal = Deal(str(i))
        world.do(deal.offer(), deal.withdraw())
    assert len(world.state.heap) <= 6


def test_a_height_that_does_not_follow_is_a_defect():
    world = World()
    header = header_of(world.state, world.now_ms, ())
    with pytest.raises(Defect):
        execute(world.state, replace(header, height=5), [], [])
    with pytest.raises(Defect):
        execute(world.state, replace(header, time_ms=1), [], [])


def test_a_broken_guard_is_a_defect_and_not_a_receipt(monkeypatch):
    world, deal = World(), Deal()
    world.do(deal.offer())
    monkeypatch.setattr(postings, "p01", lambda *_: postings.p23("mer_x", "CNY", 5))
    with pytest.raises(Defect, match="2110/mer_x/CNY would stand at 5"):
        world.block(deal.accept())
    world, deal = World(), Deal()
    world.do(deal.offer())
    monkeypatch.setattr(postings, "p01", lambda *_: postings._transfer("X", "5000/CNY", "1100/b/CNY", 5))
    with pytest.raises(Defect, match="1100/b/CNY would stand at -5"):
        world.block(deal.accept())


def test_only_the_newest_results_are_kept():
    world = World()
    for _ in range(RESULTS_KEPT + 5):
        world.block()
    assert len(world.state.results) == RESULTS_KEPT
    with pytest.raises(KeyError):
        world.state.result_of(1)


def test_the_blocks_of_one_story_split_otherwise_give_the_same_contract_but_other_hashes():
    together, apart = World(), World()
    one, other = Deal(), Deal()
    together.block(one.offer(), one.accept())
    apart.do(other.offer(), other.accept())
    assert together.state.contracts[one.id].agreement == apart.state.contracts[other.id].agreement
    assert together.state.app_hash != apart.state.app_hash


STORY = """
import sys
sys.path.insert(0, sys.argv[1])
from sps.transactions.terms import DAY_MS
from chain_world import Deal, World, FEES, WISH, terms, many_tranches
world = World(floats=[("alipay", "EUR", 5)])
deals = [Deal(str(i), terms(payout=WISH, fees=FEES,
    tranches=many_tranches([60_000, 40_000], [["p1", "p2"], ["p2"]]))) for i in range(5)]
world.block(*[d.offer() for d in deals])
world.block(*[d.accept() for d in deals])
world.block(*[d.pay(150_000) for d in deals])
world.block(*[d.book(p) for d in deals for p in ("p1", "p2")])
world.block(*[d.delivered(world.now_ms, "p2") for d in deals])
world.block(at_ms=world.now_ms + 90 * DAY_MS)
print(world.state.app_hash.hex())
"""


def test_the_result_does_not_depend_on_the_hash_seed():
    support = str(Path(chain_world.__file__).parent)
    hashes = {
        subprocess.run(  # noqa: S603 our own interpreter and text
            [sys.executable, "-c", STORY, support],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(hashes) == 1
    assert len(hashes.pop().strip()) == 64


RECORDED = [
    "2c912d339699fd71325c2868fbfe13ef3dd385fe771ed7871a6ebdc1c8a51f74",
    "1e7c03d2db49685acc60cdeb61018140c0f9e280005f5b391597148cc5714350",
]
"""Changes only with the format of the state, the receipts or the rules; then every node has to change."""


def test_the_application_hashes_of_the_normal_road_are_the_recorded_ones():
    world, deal = World(), Deal(agreed=terms(payout=WISH, fees=FEES))
    world.block(*road(deal, world))
    world.do(deal.payout_paid(next(iter(world.state.payouts))))
    assert [world.state.result_of(height).app_hash.hex() for height in (1, 2)] == RECORDED
