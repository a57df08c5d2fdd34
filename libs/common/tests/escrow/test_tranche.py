"""Rows M1-M16, F22, P20-P23, S1: when held money is released, and to whom."""

import pytest
from chain_world import (
    FEES,
    WISH,
    Deal,
    World,
    booked,
    funded,
    many_tranches,
    settle,
    shown,
    terms,
)

from sps.transactions.terms import DAY_MS, Fees

INSPECTED = {"release": "on_delivery_plus_inspection"}


def tranches(world, deal):
    return world.state.contracts[deal.id].tranches


def kinds(receipt) -> list[str]:
    return [journal.kind for journal in receipt.journals]


def test_m1_a_proved_delivery_releases_in_the_same_block():
    world, deal = booked()
    (receipt,) = world.do(deal.delivered(world.now_ms))
    assert (receipt.rules, kinds(receipt)) == (("D11", "M1"), ["P20"])
    assert shown(world, deal) == "CLOSED released"


def test_m1_below_the_level_of_the_terms_the_inspection_starts_and_better_evidence_still_releases():
    world, deal = booked()
    assert world.rules(deal.delivered(world.now_ms, origin="pushed")) == ("D11", "M2")
    assert shown(world, deal) == "INSPECTION"
    assert world.rules(deal.delivered(world.now_ms)) == ("D11", "M1")
    assert shown(world, deal) == "CLOSED released"


def test_m2_delivery_starts_the_inspection_and_m6_silence_releases():
    world, deal = booked(terms(**INSPECTED))
    assert world.rules(deal.delivered(world.now_ms)) == ("D11", "M2")
    (receipt,) = world.wait(3 * DAY_MS)
    assert (receipt.kind, receipt.rules) == ("deadline.inspection", ("M6",))
    assert shown(world, deal) == "CLOSED released"


def test_m3_only_the_delivered_tranche_moves():
    agreed = terms(tranches=many_tranches([60_000, 40_000], [["p1"], ["p2"]]))
    world, deal = funded(agreed)
    world.do(deal.book(), deal.book("p2"))
    (receipt,) = world.do(deal.delivered(world.now_ms))
    assert kinds(receipt) == ["P21"]
    assert [tranche.state for tranche in tranches(world, deal)] == ["released", "held"]
    assert shown(world, deal) == "FULFILLING"


def test_a_tranche_waits_for_all_its_parcels_and_a_parcel_may_serve_two_tranches():
    agreed = terms(tranches=many_tranches([60_000, 40_000], [["p1", "p2"], ["p2", "p3"]]))
    world, deal = funded(agreed)
    world.do(*(deal.book(name) for name in ("p1", "p2", "p3")))
    world.do(deal.delivered(world.now_ms, "p1"), deal.delivered(world.now_ms, "p3"))
    assert [tranche.state for tranche in tranches(world, deal)] == ["held", "held"]
    (receipt,) = world.do(deal.delivered(world.now_ms, "p2"))
    assert kinds(receipt) == ["P20"]
    assert shown(world, deal) == "CLOSED released"


def test_m5_the_buyer_accepts_during_the_inspection():
    world, deal = booked(terms(**INSPECTED))
    world.do(deal.delivered(world.now_ms))
    assert world.rules(deal.accept_goods()) == ("M5",)
    assert shown(world, deal) == "CLOSED released"


def test_m7_a_mere_hint_never_releases_and_goes_back_in_the_end():
    world, deal = booked(terms(**INSPECTED))
    world.do(deal.delivered(world.now_ms, origin="pushed"))
    assert world.wait(3 * DAY_MS)[0].rules == ("M7",)
    assert shown(world, deal) == "INSPECTION"
    assert world.wait(3 * DAY_MS)[0].rules == ("M7",)
    assert shown(world, deal) == "INSPECTION"
    assert world.wait(90 * DAY_MS)[0].rules == ("M14",)
    assert "refunded" in shown(world, deal)


def test_m7_the_buyers_word_still_releases_what_only_a_hint_delivered():
    world, deal = booked(terms(**INSPECTED))
    world.do(deal.delivered(world.now_ms, origin="pushed"))
    world.wait(3 * DAY_MS)
    world.wait(3 * DAY_MS)
    assert world.rules(deal.accept_goods()) == ("M5",)
    assert shown(world, deal) == "CLOSED released"


def test_m6_evidence_that_comes_after_both_periods_releases_at_once():
    world, deal = booked(terms(**INSPECTED))
    world.do(deal.delivered(world.now_ms, origin="pushed"))
    world.wait(3 * DAY_MS)
    world.wait(3 * DAY_MS)
    assert "M6" in world.rules(deal.scan("delivered", world.now_ms))
    assert shown(world, deal) == "CLOSED released"


def test_m6_better_evidence_during_the_first_period_makes_the_second_needless():
    world, deal = booked(terms(**INSPECTED))
    world.do(deal.delivered(world.now_ms, origin="pushed"), deal.scan("delivered", world.now_ms + 1))
    assert world.wait(3 * DAY_MS)[0].rules == ("M6",)


def test_m13_the_buyer_releases_held_money_early():
    world, deal = funded()
    assert world.rules(deal.accept_goods("t1")) == ("M13",)
    assert shown(world, deal) == "CLOSED released"


def test_m5_and_m13_repeats_and_mistakes_of_the_buyer_are_told():
    world, deal = funded(terms(tranches=many_tranches([60_000, 40_000], [["p1"], ["p2"]])))
    assert world.code(deal.accept_goods("t9")) == "UNKNOWN_TRANCHE"
    world.do(deal.accept_goods("t1"))
    assert world.code(deal.accept_goods("t1")) == "DUPLICATE"
    world.do(deal.cancel())
    assert world.code(deal.accept_goods("t2")) == "TRANCHE_DECIDED"
    other = Deal("other")
    world.do(other.offer(), other.accept())
    assert world.code(other.accept_goods()) == "NOT_FUNDED"
    assert world.code(Deal("nobody").accept_goods()) == "UNKNOWN_CONTRACT"


def test_m14_at_the_longest_hold_what_is_not_delivered_goes_back():
    world, deal = booked()
    world.do(deal.scan("at_pickup", world.now_ms))
    receipts = world.wait(90 * DAY_MS)
    assert ("M14",) in [receipt.rules for receipt in receipts]
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"


def test_m14_at_the_longest_hold_a_sure_delivery_under_inspection_is_released():
    world, deal = booked(terms(**INSPECTED))
    world.do(deal.scan("in_transit", world.now_ms))
    world.block(at_ms=world.state.contracts[deal.id].funded_ms + 89 * DAY_MS)
    world.do(deal.delivered(world.now_ms))
    (receipt,) = world.wait(DAY_MS)
    assert (receipt.kind, receipt.rules) == ("deadline.max_hold", ("M6",))
    assert shown(world, deal) == "CLOSED released"


def test_m15_fee_tax_freight_and_reserve_are_taken_from_the_sellers_part():
    fees = Fees(150, 1900, "DE", freight="700", reserve_bp=1000, reserve_ms=30 * DAY_MS)
    world, deal = booked(terms(fees=fees))
    world.do(deal.delivered(world.now_ms))
    assert world.state.balances == {
        "1000/alipay/CNY": 100_000,
        "3000/standard/CNY": -1_500,
        "2400/DE/vat/CNY": -285,
        "2120/dhl/CNY": -700,
        f"2110/{deal.seller}/CNY": -10_000,
        f"2100/{deal.seller}/CNY": -87_515,
    }
    assert shown(world, deal) == "CLOSED released"
    (receipt,) = world.wait(30 * DAY_MS)
    assert (receipt.rules, kinds(receipt)) == (("P23",), ["P23"])
    assert world.state.balances[f"2100/{deal.seller}/CNY"] == -97_515


def test_p21_the_parts_of_the_fee_sum_exactly():
    agreed = terms(tranches=many_tranches([33_333, 33_333, 33_334], [["p1"], ["p2"], ["p3"]]), fees=FEES)
    world, deal = funded(agreed)
    for name in ("p1", "p2", "p3"):
        world.do(deal.book(name), deal.delivered(world.now_ms, name))
    assert [tranche.fee for tranche in tranches(world, deal)] == [500, 500, 500]
    assert [tranche.tax for tranche in tranches(world, deal)] == [95, 95, 95]
    assert world.state.balances["3000/standard/CNY"] == -1_500


def test_freight_is_taken_at_the_first_release_as_far_as_it_goes():
    agreed = terms(tranches=many_tranches([300, 99_700], [["p1"], ["p2"]]), fees=Fees(freight="500"))
    world, deal = funded(agreed)
    world.do(deal.book(), deal.delivered(world.now_ms))
    assert tranches(world, deal)[0].freight == 300
    world.do(deal.book("p2"), deal.delivered(world.now_ms, "p2"))
    assert tranches(world, deal)[1].freight == 200


def test_m16_and_s1_the_payout_is_ordered_in_the_block_of_the_release():
    world, deal = booked(terms(payout=WISH, fees=FEES))
    (receipt,) = world.do(deal.delivered(world.now_ms))
    assert (receipt.rules, kinds(receipt)) == (("D11", "M1", "S1"), ["P20", "P60"])
    (payout,) = world.state.payouts.values()
    assert (payout.amount, payout.contract, payout.tranche) == (98_215, deal.id, "t1")
    assert shown(world, deal) == "SETTLING released"
    world.do(deal.payout_paid(payout.id))
    assert shown(world, deal) == "CLOSED released"


def test_s1_each_tranche_has_its_own_payout_and_the_block_one_journal():
    agreed = terms(tranches=many_tranches([60_000, 40_000], [["p1"], ["p1"]]), payout=WISH)
    world, deal = booked(agreed)
    (receipt,) = world.do(deal.delivered(world.now_ms))
    assert kinds(receipt) == ["P20", "P60"]
    assert sorted(p.amount for p in world.state.payouts.values()) == [40_000, 60_000]


def test_f22_the_tranches_of_missing_parcels_go_back_and_the_rest_goes_on():
    agreed = terms(tranches=many_tranches([60_000, 40_000], [["p1"], ["p2"]]))
    world, deal = funded(agreed)
    world.do(deal.book(), deal.scan("in_transit", world.now_ms))
    (receipt,) = world.wait(4 * DAY_MS)
    assert receipt.rules == ("F22",)
    assert [tranche.state for tranche in tranches(world, deal)] == ["held", "refunded"]
    world.do(deal.delivered(world.now_ms))
    settle(world, deal)
    assert shown(world, deal) == "CLOSED split"


def test_a_refund_is_spread_over_the_payers_in_order_and_never_exceeds_what_each_paid():
    world, deal = World(), Deal()
    world.do(deal.offer(), deal.accept())
    world.do(deal.pay(30_000), deal.pay(80_000, number=2, provider="stripe"))
    world.do(deal.cancel())
    contract = world.state.contracts[deal.id]
    assert [(r.provider, r.amount) for r in contract.refunds] == [
        ("stripe", 10_000),
        ("alipay", 30_000),
        ("stripe", 70_000),
    ]
    assert [payin.refunded for payin in contract.payins] == [30_000, 80_000]
    settle(world, deal)
    assert world.state.balances == {}
    assert world.book.balances() == {}


def test_p41_and_p42_results_of_refunds_are_taken_once():
    world, deal = funded()
    world.do(deal.cancel())
    (refund,) = world.state.contracts[deal.id].refunds
    assert world.code(deal.refund_paid(deal.payment())) == "UNKNOWN_REFUND"
    (receipt,) = world.do(deal.refund_failed(refund.id))
    assert kinds(receipt) == ["P42"]
    assert world.code(deal.refund_failed(refund.id)) == "DUPLICATE"
    assert world.code(deal.refund_paid(refund.id)) == "CONFLICT"
    assert world.state.balances[f"2200/{deal.id}/CNY"] == -100_000
    assert shown(world, deal) == "CLOSED refunded"


def test_p41_a_paid_refund_with_another_reference_is_a_conflict():
    world, deal = funded()
    world.do(deal.cancel())
    (refund,) = world.state.contracts[deal.id].refunds
    world.do(deal.refund_paid(refund.id))
    assert world.code(deal.refund_paid(refund.id)) == "DUPLICATE"
    assert world.code(Deal("nobody").refund_paid(refund.id)) == "UNKNOWN_CONTRACT"


@pytest.mark.parametrize("level", [3, 4])
def test_min_level_gates_only_the_release_at_the_delivery_itself(level):
    world, deal = booked(terms(min_level=level))
    world.do(deal.delivered(world.now_ms))
    assert tranches(world, deal)[0].state == ("released" if level == 3 else "inspection")
