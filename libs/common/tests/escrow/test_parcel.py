"""Rows D1-D15: booking, scans, silence, loss; and the level of a delivery."""

import itertools

import pytest
from chain_world import Deal, booked, funded, h32, many_tranches, settle, shown, terms

from sps.escrow.evidence import EVIDENCE_MAX, MEANINGS
from sps.transactions.terms import DAY_MS


def parcel(world, deal, index: int = 0):
    return world.state.contracts[deal.id].parcels[index]


def test_d1_a_booking_binds_the_tracking_number():
    world, deal = funded()
    assert world.rules(deal.book()) == ("D1",)
    assert parcel(world, deal).state == "booked"
    assert world.state.tags[deal.tag()] == (deal.id, "p1")
    assert shown(world, deal) == "FULFILLING"


def test_d1_a_tracking_number_is_used_once():
    world, deal = booked()
    other = Deal("other")
    world.do(other.offer(), other.accept(), other.pay())
    assert world.code(other.book(tag=deal.tag())) == "TAG_USED"
    assert world.code(deal.book()) == "DUPLICATE"


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"parcel": "p9"}, "UNKNOWN_PARCEL"), ({"carrier": "ups"}, "UNKNOWN_CARRIER")],
)
def test_d1_only_agreed_parcels_and_carriers_are_booked(fields, code):
    world, deal = funded()
    assert world.code(deal.book(**fields)) == code


def test_d1_nothing_is_booked_before_the_money_is_held_or_after_the_end():
    world, deal = funded()
    other = Deal("other")
    world.do(other.offer(), other.accept())
    assert world.code(other.book()) == "NOT_FUNDED"
    world.do(deal.cancel())
    assert world.code(deal.book()) == "CONTRACT_ENDED"


def test_d2_a_wrong_number_is_replaced_before_the_first_scan_only():
    world, deal = booked()
    assert world.rules(deal.book(tag=h32("new"))) == ("D2",)
    assert world.code(deal.scan("in_transit", world.now_ms)) == "TAG_DIFFERS"
    world.do(deal.scan("in_transit", world.now_ms, tag=h32("new")))
    assert world.code(deal.book(tag=h32("newer"))) == "PARCEL_SCANNED"


def test_d3_a_parcel_that_is_never_scanned_is_planned_again_and_its_time_to_ship_is_over():
    world, deal = booked()
    assert world.wait(4 * DAY_MS) == ()
    (receipt,) = world.wait(DAY_MS)
    assert (receipt.kind, receipt.rules) == ("deadline.first_scan", ("D3", "F21"))
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"


def test_d3_within_the_time_to_ship_the_seller_may_book_again():
    clocks = terms().clocks.__class__(ship_by=20 * DAY_MS)
    world, deal = booked(terms(clocks=clocks))
    assert world.wait(5 * DAY_MS)[0].rules == ("D3",)
    assert parcel(world, deal).state == "planned"
    assert world.rules(deal.book(tag=h32("again"))) == ("D1",)


def test_d4_scans_move_the_parcel_forward_only():
    world, deal = booked()
    seen = []
    for status in ("label_created", "picked_up", "out_for_delivery", "in_transit"):
        assert world.rules(deal.scan(status, world.now_ms)) == ("D4",)
        seen.append(parcel(world, deal).state)
    assert seen == ["booked", "handed_over", "out_for_delivery", "out_for_delivery"]


def test_d5_and_d6_a_silent_parcel_is_shown_and_comes_back():
    world, deal = booked()
    world.do(deal.scan("out_for_delivery", world.now_ms))
    rules = [receipt.rules for receipt in world.wait(5 * DAY_MS)]
    assert ("D5",) in rules
    assert parcel(world, deal).state == "silent"
    assert world.rules(deal.scan("in_transit", world.now_ms)) == ("D4", "D6")
    assert parcel(world, deal).state == "out_for_delivery"


def test_d7_a_parcel_far_beyond_its_time_is_presumed_lost_and_the_money_goes_back_at_the_longest_hold():
    world, deal = booked()
    world.do(deal.scan("in_transit", world.now_ms))
    rules = [receipt.rules for receipt in world.wait(45 * DAY_MS)]
    assert ("D7",) in rules
    assert parcel(world, deal).state == "lost"
    assert shown(world, deal) == "FULFILLING"
    assert world.wait(45 * DAY_MS)[0].rules == ("M14",)
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"


@pytest.mark.parametrize(
    ("status", "row"), [("lost", "D8"), ("damaged", "D8"), ("returning", "D14"), ("returned", "D15")]
)
def test_d8_d14_d15_trouble_by_evidence_keeps_the_money_held_until_the_longest_hold(status, row):
    world, deal = booked()
    world.do(deal.scan("in_transit", world.now_ms))
    assert world.rules(deal.scan(status, world.now_ms)) == (row,)
    assert parcel(world, deal).state == status
    assert world.state.contracts[deal.id].tranches[0].state == "held"
    world.wait(90 * DAY_MS)
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"


def test_d8_a_mere_hint_of_trouble_moves_nothing():
    world, deal = booked()
    world.do(deal.scan("in_transit", world.now_ms))
    world.do(deal.scan("lost", world.now_ms, origin="pushed"))
    assert parcel(world, deal).state == "in_transit"


def test_d8_a_lost_parcel_that_is_delivered_after_all_counts():
    world, deal = booked()
    world.do(deal.scan("lost", world.now_ms), deal.delivered(world.now_ms))
    assert world.state.contracts[deal.id].tranches[0].rule == "M1"


@pytest.mark.parametrize("status", ["damaged", "returning", "returned"])
def test_a_parcel_that_is_also_damaged_or_turns_around_is_not_delivered(status):
    world, deal = booked(terms(release="on_delivery_plus_inspection"))
    world.do(deal.delivered(world.now_ms))
    assert shown(world, deal) == "INSPECTION"
    world.do(deal.scan(status, world.now_ms))
    assert shown(world, deal) == "FULFILLING"
    assert not any(d.kind == "inspection" for d in world.state.contracts[deal.id].deadlines)


@pytest.mark.parametrize("status", ["attempted", "at_pickup"])
def test_d9_an_attempt_is_shown(status):
    world, deal = booked()
    assert world.rules(deal.scan(status, world.now_ms)) == ("D9",)
    assert parcel(world, deal).state == status


def test_d10_another_destination_caps_the_level_at_one():
    world, deal = booked()
    assert world.rules(deal.scan("in_transit", world.now_ms, ship_to=h32("elsewhere"))) == ("D4", "D10")
    world.do(deal.delivered(world.now_ms))
    assert parcel(world, deal).level == 1
    assert shown(world, deal) == "INSPECTION"


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"origin": "pushed"}, 1),
        ({"document": None}, 2),
        ({"ship_to": None}, 2),
        ({"ship_to": None, "document": None, "origin": "signed"}, 2),
        ({"ship_to": h32("elsewhere")}, 1),
        ({}, 3),
        ({"origin": "signed"}, 3),
        ({"handover": "unknown"}, 3),
        ({"handover": "neighbour"}, 2),
        ({"handover": "locker"}, 2),
        ({"handover": "safe_place"}, 2),
        ({"handover": "household"}, 2),
    ],
)
def test_d11_the_level_follows_from_the_facts(fields, level):
    world, deal = booked(terms(release="on_delivery_plus_inspection"))
    assert world.rules(deal.delivered(world.now_ms, **fields))[-1] == "M2"
    assert parcel(world, deal).level == level


def test_d12_the_buyers_word_outranks_what_the_carrier_says_later():
    agreed = terms(tranches=many_tranches([60_000, 40_000], [["p1"], ["p1", "p2"]]))
    world, deal = booked(agreed)
    world.do(deal.scan("in_transit", world.now_ms))
    assert world.rules(deal.accept_goods("t1")) == ("D12", "M13")
    world.do(deal.scan("attempted", world.now_ms))
    assert (parcel(world, deal).state, parcel(world, deal).level) == ("delivered", 4)


def test_evidence_is_for_a_booked_parcel_and_its_number():
    world, deal = funded()
    assert world.code(deal.scan("in_transit", world.now_ms)) == "PARCEL_NOT_BOOKED"
    world.do(deal.book())
    assert world.code(deal.scan("in_transit", world.now_ms, tag=h32("x"))) == "TAG_DIFFERS"
    assert world.code(deal.scan("in_transit", world.now_ms, parcel="p9")) == "UNKNOWN_PARCEL"
    assert world.code(Deal("nobody").scan("in_transit", 1)) == "UNKNOWN_CONTRACT"


def test_evidence_from_before_the_booking_or_from_the_future_is_refused():
    world, deal = booked()
    at = parcel(world, deal).booked_ms
    assert world.code(deal.delivered(at - DAY_MS - 1)) == "EVIDENCE_TOO_OLD"
    assert world.code(deal.delivered(at + 2 * DAY_MS)) == "EVIDENCE_FROM_FUTURE"
    assert world.code(deal.scan("label_created", at - 5 * DAY_MS)) == "OK"


def test_f24_the_same_evidence_again_is_a_repeat_and_other_content_a_conflict():
    world, deal = booked()
    at = world.now_ms
    world.do(deal.scan("in_transit", at))
    assert world.code(deal.scan("in_transit", at)) == "DUPLICATE"
    assert world.code(deal.scan("in_transit", at, origin="pushed")) == "CONFLICT"


def test_the_kept_evidence_is_bounded_and_later_messages_still_count():
    world, deal = booked()
    for step in range(EVIDENCE_MAX + 3):
        world.do(deal.scan("in_transit", world.now_ms + step))
    assert len(parcel(world, deal).evidence) == EVIDENCE_MAX
    world.do(deal.delivered(world.now_ms))
    assert world.state.contracts[deal.id].tranches[0].state == "released"


def test_evidence_after_the_end_is_kept_and_moves_no_money():
    world, deal = booked()
    world.do(deal.cancel())
    (receipt,) = world.do(deal.delivered(world.now_ms))
    assert receipt.journals == ()
    assert parcel(world, deal).state == "delivered"


def test_ranks_decide_alike_in_every_order():
    story = ["picked_up", "exception", "out_for_delivery", "delivered"]
    ends = set()
    for order in itertools.permutations(story):
        world, deal = booked(terms(release="on_delivery_plus_inspection"))
        at = world.now_ms
        world.do(*(deal.scan(status, at) for status in order))
        known = parcel(world, deal)
        ends.add((known.state, known.rank, known.level, known.cap))
    assert ends == {("delivered", MEANINGS["delivered"].rank, 2, 4)}
