"""Rows F1-F6, F15, F17, F19-F22, F24: offer, acceptance, and cancelling before hand-over."""

import pytest
from chain_world import Deal, World, booked, funded, h32, many_tranches, settle, shown, terms

from sps.escrow.agreement import TRANSITIONS, phase_of
from sps.transactions.terms import DAY_MS, Fees


def offered() -> tuple[World, Deal]:
    world, deal = World(), Deal()
    world.do(deal.offer())
    return world, deal


def agreed() -> tuple[World, Deal]:
    world, deal = offered()
    world.do(deal.accept())
    return world, deal


def test_f1_a_published_offer_is_offered_and_moves_no_money():
    world, deal = World(), Deal()
    (receipt,) = world.do(deal.offer())
    assert (receipt.rules, receipt.journals, receipt.version) == (("F1",), (), 1)
    assert shown(world, deal) == "OFFERED"


def test_f2_the_buyer_accepts_the_same_terms_and_a_payment_is_expected():
    world, deal = offered()
    (receipt,) = world.do(deal.accept())
    assert receipt.rules == ("F2",)
    assert [journal.kind for journal in receipt.journals] == ["P01"]
    assert shown(world, deal) == "AGREED"


def test_f2_other_terms_are_not_accepted():
    world, deal = offered()
    assert world.code(deal.accept(terms_hash=h32("other"))) == "TERMS_DIFFER"
    assert shown(world, deal) == "OFFERED"


def test_f2_the_seller_cannot_be_the_buyer():
    world, deal = offered()
    assert world.code(deal.accept(buyer_key=h32("alice"))) == "SAME_PARTY"


def test_f3_a_declined_offer_is_closed():
    world, deal = offered()
    assert world.rules(deal.decline()) == ("F3",)
    assert shown(world, deal) == "CLOSED declined"


@pytest.mark.parametrize("start", [offered, agreed])
def test_f5_the_seller_withdraws_while_nothing_is_paid(start):
    world, deal = start()
    assert world.rules(deal.withdraw()) == ("F5",)
    assert shown(world, deal) == "CLOSED cancelled"
    assert world.state.balances == {}


def test_f5_cancelling_an_unpaid_agreement_withdraws_it():
    world, deal = agreed()
    assert world.rules(deal.cancel()) == ("F5",)
    assert shown(world, deal) == "CLOSED cancelled"


def test_f6_an_offer_expires_at_the_first_block_of_its_time():
    world, deal = offered()
    opened = world.state.contracts[deal.id].opened_ms
    assert world.block(at_ms=opened + 5 * DAY_MS - 1) == ()
    (receipt,) = world.block(at_ms=opened + 5 * DAY_MS)
    assert (receipt.kind, receipt.rules) == ("deadline.offer", ("F6",))
    assert shown(world, deal) == "CLOSED expired"


def test_f15_a_part_that_is_not_topped_up_goes_back_without_a_fee():
    world, deal = agreed()
    world.do(deal.pay(40_000))
    (receipt,) = world.wait(3 * DAY_MS)
    assert receipt.rules == ("F15",)
    assert [journal.kind for journal in receipt.journals] == ["P07", "P40", "P01M"]
    assert shown(world, deal) == "SETTLING refunded"
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"
    assert world.state.balances == {}


def test_f17_an_unpaid_agreement_expires():
    world, deal = agreed()
    (receipt,) = world.wait(10 * DAY_MS)
    assert receipt.rules == ("F17",)
    assert shown(world, deal) == "CLOSED expired"
    assert world.state.balances == {}


@pytest.mark.parametrize("also_booked", [False, True])
def test_f19_the_seller_cancels_before_hand_over_and_everything_goes_back(also_booked):
    world, deal = funded(terms(fees=Fees(cancel="500")))
    if also_booked:
        world.do(deal.book())
    assert world.rules(deal.cancel()) == ("F19",)
    (refund,) = world.state.contracts[deal.id].refunds
    assert refund.amount == 100_000
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"


def test_f19_the_seller_cancels_a_half_paid_contract():
    world, deal = agreed()
    world.do(deal.pay(40_000))
    assert world.rules(deal.cancel()) == ("F19",)
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"
    assert world.state.balances == {}


def test_f19_nobody_cancels_after_hand_over():
    world, deal = booked()
    world.do(deal.scan("picked_up", world.now_ms))
    assert [world.code(act()) for act in (deal.cancel, deal.request_cancel)] == ["HANDED_OVER"] * 2


def test_f19_what_the_buyer_released_before_stays_released():
    world, deal = funded(terms(tranches=many_tranches([60_000, 40_000], [["p1"], ["p2"]])))
    world.do(deal.accept_goods("t1"), deal.cancel())
    assert [tranche.rule for tranche in world.state.contracts[deal.id].tranches] == ["M13", "F19"]
    settle(world, deal)
    assert shown(world, deal) == "CLOSED split"
    assert world.state.balances[f"2100/{deal.seller}/CNY"] == -60_000


def test_f20_silence_of_the_seller_means_yes_and_he_gets_the_cancel_fee():
    world, deal = funded(terms(fees=Fees(cancel="500")))
    assert world.rules(deal.request_cancel()) == ("F20",)
    (receipt,) = world.wait(DAY_MS)
    assert (receipt.kind, receipt.rules) == ("deadline.cancel", ("F20",))
    (tranche,) = world.state.contracts[deal.id].tranches
    assert (tranche.released, tranche.refunded) == (500, 99_500)
    assert world.state.balances[f"2100/{deal.seller}/CNY"] == -500


def test_f20_the_sellers_yes_cancels_at_once_with_the_fee():
    world, deal = funded(terms(fees=Fees(cancel="500")))
    world.do(deal.request_cancel())
    assert world.rules(deal.cancel()) == ("F20",)
    assert world.state.contracts[deal.id].refunds[0].amount == 99_500


def test_f20_the_sellers_no_lets_the_contract_go_on():
    world, deal = funded()
    world.do(deal.request_cancel(), deal.refuse_cancel())
    assert world.wait(DAY_MS) == ()
    assert shown(world, deal) == "FUNDED"
    assert world.code(deal.refuse_cancel()) == "NO_CANCEL_REQUEST"


def test_f20_a_parcel_handed_over_meanwhile_makes_the_request_void():
    world, deal = booked()
    world.do(deal.request_cancel(), deal.scan("picked_up", world.now_ms))
    (receipt,) = world.wait(DAY_MS)
    assert receipt.rules == ()
    assert shown(world, deal) == "FULFILLING"


def test_f21_a_contract_that_is_not_shipped_in_time_goes_back_whole():
    world, deal = funded()
    (receipt,) = world.wait(4 * DAY_MS)
    assert receipt.rules == ("F21",)
    assert world.state.contracts[deal.id].refunds[0].amount == 100_000
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"


def test_f24_the_same_command_again_changes_nothing():
    world, deal = offered()
    assert world.code(deal.offer()) == "DUPLICATE"
    world.do(deal.accept())
    before = world.state.contracts[deal.id]
    assert world.code(deal.accept()) == "DUPLICATE"
    world.do(deal.pay(), deal.request_cancel())
    assert world.code(deal.request_cancel()) == "DUPLICATE"
    world.do(deal.cancel())
    assert world.code(deal.cancel()) == "DUPLICATE"
    assert before.version == 2


def test_f24_the_same_contract_with_other_content_is_a_conflict():
    world, deal = offered()
    assert world.code(deal.offer(terms=terms(5))) == "CONFLICT"
    world.do(deal.accept())
    assert world.code(deal.accept(buyer_key=h32("carol"))) == "CONFLICT"


def test_an_ended_contract_takes_no_command():
    world, deal = offered()
    world.do(deal.decline())
    assert world.code(deal.decline()) == "DUPLICATE"
    assert [world.code(act()) for act in (deal.accept, deal.withdraw, deal.cancel)] == ["CONTRACT_ENDED"] * 3


def test_a_command_at_the_wrong_time_is_refused():
    world, deal = funded()
    assert world.code(deal.withdraw()) == "WRONG_STATE"
    assert world.code(deal.decline()) == "WRONG_STATE"
    assert world.code(Deal("nobody").accept()) == "UNKNOWN_CONTRACT"


def test_an_offer_needs_identifiers_of_the_right_kind():
    world, deal = World(), Deal()
    assert world.code(deal.offer(contract=deal.payment())) == "BAD_IDENTIFIER"
    assert world.code(deal.offer(seller=deal.id)) == "BAD_IDENTIFIER"


def test_the_table_names_only_phases_that_exist():
    worlds = [offered(), agreed(), funded()]
    phases = {phase_of(world.state.contracts[deal.id]) for world, deal in worlds}
    assert {phase for phase, _ in TRANSITIONS} == phases | {"part_funded"}
