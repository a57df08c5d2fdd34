"""Row P24: two persons take back a release that is not paid out."""

from chain_world import (
    FEES,
    WISH,
    Deal,
    World,
    booked,
    h32,
    ident,
    many_tranches,
    reverse,
    settle,
    shown,
    terms,
)

from sps.transactions import vocabulary as facts
from sps.transactions.terms import DAY_MS, Fees
from sps.transactions.values import WireMoney


def released(**fields: object) -> tuple[World, Deal]:
    world, deal = booked(terms(**fields))
    world.do(deal.delivered(world.now_ms))
    return world, deal


def test_p24_mirrors_the_release_and_the_tranche_is_held_under_inspection():
    world, deal = released(fees=Fees(150, 1900, "DE", reserve_bp=1000, reserve_ms=30 * DAY_MS))
    before = world.receipts[-1].journals[0]
    (receipt,) = world.do(reverse(world, deal))
    (mirror,) = receipt.journals
    assert {p.account: p.amount for p in mirror.postings} == {p.account: -p.amount for p in before.postings}
    assert mirror.reverses == f"{world.receipts[-2].height}/0/P20"
    assert shown(world, deal) == "INSPECTION"
    assert world.state.balances == {"1000/alipay/CNY": 100_000, f"2000/{deal.id}/t1/CNY": -100_000}


def test_p24_afterwards_the_rules_go_on_and_the_fee_is_taken_once():
    world, deal = released(fees=FEES)
    world.do(reverse(world, deal))
    assert world.wait(3 * DAY_MS)[0].rules == ("M6",)
    assert shown(world, deal) == "CLOSED released"
    assert world.state.balances["3000/standard/CNY"] == -1_500


def test_p24_an_early_acceptance_taken_back_waits_for_the_parcel():
    world, deal = booked()
    world.do(deal.accept_goods())
    world.do(reverse(world, deal))
    world.wait(3 * DAY_MS)
    assert world.state.contracts[deal.id].tranches[0].state == "held"
    world.do(deal.delivered(world.now_ms))
    assert shown(world, deal) == "CLOSED released"


def test_p24_not_after_the_money_is_paid_out():
    world, deal = released(payout=WISH)
    assert world.code(reverse(world, deal)) == "ALREADY_PAID_OUT"
    world, deal = released()
    amount = WireMoney("CNY", "1")
    payout = facts.RequestPayout(deal.event(), ident("pyo", "x"), deal.seller, amount, "alipay", h32("acc"))
    world.do(payout)
    assert world.code(reverse(world, deal)) == "ALREADY_PAID_OUT"


def test_p24_needs_two_different_persons_and_their_signatures_over_this_release():
    world, deal = released()
    assert world.code(reverse(world, deal, who=("ann", "ann"))) == "APPROVERS_NOT_DISTINCT"
    assert world.code(reverse(world, deal, signed="other")) == "BAD_SIGNATURE"
    first = reverse(world, deal)
    world.do(first)
    assert world.code(first) == "DUPLICATE"
    world.wait(3 * DAY_MS)
    assert world.code(first) == "BAD_SIGNATURE"


def test_p24_only_persons_whom_the_genesis_names_may_approve():
    world, deal = released()
    assert world.code(reverse(world, deal, who=("ann", "carl"))) == "NOT_AN_APPROVER"
    assert world.code(reverse(world, deal, who=("carl", "dora"))) == "NOT_AN_APPROVER"
    world.do(reverse(world, deal, who=("ben", "ann")))


def test_p24_is_about_a_released_tranche():
    world, deal = booked()
    assert world.code(reverse(world, deal)) == "NOT_RELEASED"
    other = reverse(world, deal)
    unknown = facts.ReverseRelease(deal.event(), deal.id, "t9", other.approvers, other.signatures, "error")
    assert world.code(unknown) == "UNKNOWN_TRANCHE"
    nobody = facts.ReverseRelease(
        deal.event(), Deal("nobody").id, "t1", other.approvers, other.signatures, "error"
    )
    assert world.code(nobody) == "UNKNOWN_CONTRACT"


def test_p24_in_a_cancelled_contract_the_tranche_is_held_until_its_own_clock():
    world, deal = booked(terms(tranches=many_tranches([60_000, 40_000], [["p1"], ["p2"]])))
    world.do(deal.accept_goods("t1"), deal.cancel())
    settle(world, deal)
    assert shown(world, deal) == "CLOSED split"
    world.do(reverse(world, deal))
    assert shown(world, deal) == "INSPECTION"
    for _ in range(5):
        if (due := world.state.next_deadline_ms()) is not None:
            world.block(at_ms=due)
    settle(world, deal)
    assert shown(world, deal) == "CLOSED refunded"
    assert world.state.balances == {}
