"""Rows S1, S4-S7; P60-P64: what a seller takes out, and what the provider does with it."""

import pytest
from chain_world import WISH, Deal, World, booked, h32, ident, shown, terms

from sps.escrow.payout import TRANSITIONS
from sps.transactions import vocabulary as facts
from sps.transactions.values import WireMoney


def released() -> tuple[World, Deal]:
    world, deal = booked()
    world.do(deal.delivered(world.now_ms))
    return world, deal


def request(deal: Deal, minor: int, name: str = "cash", currency: str = "CNY") -> facts.RequestPayout:
    amount = WireMoney(currency, str(minor))
    return facts.RequestPayout(deal.event(), ident("pyo", name), deal.seller, amount, "alipay", h32("acc"))


def ordered() -> tuple[World, Deal, str]:
    world, deal = released()
    world.do(request(deal, 60_000))
    return world, deal, ident("pyo", "cash")


def result(deal: Deal, payout: str, kind: str) -> facts.Transaction:
    match kind:
        case "paid":
            return deal.payout_paid(payout)
        case "failed":
            return facts.PayoutFailed(deal.event(), payout, "closed")
        case "held":
            return facts.PayoutHeld(deal.event(), payout, "review")
        case "manual":
            return facts.PayoutManual(deal.event(), payout, "unknown")
        case _:
            return facts.PayoutReturned(deal.event(), payout, WireMoney("CNY", "59000"), "no_account")


def test_s1_a_seller_takes_out_what_is_free():
    world, deal = released()
    (receipt,) = world.do(request(deal, 60_000))
    assert (receipt.rules, [j.kind for j in receipt.journals]) == (("S1",), ["P60"])
    assert world.state.balances[f"2100/{deal.seller}/CNY"] == -40_000


def test_s1_no_more_than_what_is_free():
    world, deal = released()
    assert world.code(request(deal, 100_001)) == "INSUFFICIENT_FUNDS"
    assert world.code(request(deal, 1, currency="EUR")) == "INSUFFICIENT_FUNDS"
    assert world.code(request(Deal("x", seller="mallory"), 1)) == "INSUFFICIENT_FUNDS"
    assert world.code(request(deal, 10**16)) == "AMOUNT_OUT_OF_BOUNDS"


def test_s1_one_identifier_is_one_order_for_ever():
    world, deal, payout = ordered()
    assert world.code(request(deal, 60_000)) == "DUPLICATE"
    assert world.code(request(deal, 1)) == "CONFLICT"
    world.do(result(deal, payout, "paid"))
    assert world.code(request(deal, 60_000)) == "DUPLICATE"
    bad = facts.RequestPayout(deal.event(), deal.id, deal.seller, WireMoney("CNY", "1"), "alipay", h32("acc"))
    assert world.code(bad) == "BAD_IDENTIFIER"


@pytest.mark.parametrize(
    ("steps", "rules", "state", "free"),
    [
        (["paid"], "S4", "paid", 40_000),
        (["failed"], "S6", "failed", 100_000),
        (["held"], "S7", "held_by_provider", 40_000),
        (["manual"], "S5", "manual", 40_000),
        (["held", "paid"], "S4", "paid", 40_000),
        (["held", "failed"], "S6", "failed", 100_000),
        (["held", "manual"], "S5", "manual", 40_000),
        (["manual", "paid"], "S4", "paid", 40_000),
        (["manual", "failed"], "S6", "failed", 100_000),
        (["manual", "held"], "S7", "held_by_provider", 40_000),
        (["paid", "returned"], "S6", "returned", 100_000),
    ],
)
def test_s4_to_s7_every_result_has_its_state_and_posting(steps, rules, state, free):
    world, deal, payout = ordered()
    receipts = world.do(*(result(deal, payout, kind) for kind in steps))
    assert receipts[-1].rules == (rules,)
    assert world.state.payouts[payout].state == state
    assert -world.state.balances[f"2100/{deal.seller}/CNY"] == free
    in_transit = world.state.balances.get(f"2300/{payout}/CNY", 0)
    assert (in_transit != 0) == (state in {"ordered", "held_by_provider", "manual"})


def test_every_transition_of_the_table_is_tested_above():
    assert len(TRANSITIONS) == 11


@pytest.mark.parametrize("kind", ["paid", "failed", "held", "manual"])
def test_f24_the_same_result_again_is_a_repeat(kind):
    world, deal, payout = ordered()
    world.do(result(deal, payout, kind))
    assert world.code(result(deal, payout, kind)) == "DUPLICATE"


@pytest.mark.parametrize(("first", "then"), [("failed", "paid"), ("paid", "held"), ("failed", "returned")])
def test_a_result_that_cannot_follow_is_refused(first, then):
    world, deal, payout = ordered()
    world.do(result(deal, payout, first))
    assert world.code(result(deal, payout, then)) == "PAYOUT_STATE"


def test_p64_what_came_back_less_the_providers_part_is_ours_to_bear():
    world, deal, payout = ordered()
    world.do(result(deal, payout, "paid"), result(deal, payout, "returned"))
    assert world.state.balances["4000/alipay/CNY"] == 1_000
    assert world.code(result(deal, payout, "returned")) == "DUPLICATE"


def test_p64_no_more_comes_back_than_went_out():
    world, deal, payout = ordered()
    world.do(result(deal, payout, "paid"))
    for money in (WireMoney("CNY", "60001"), WireMoney("EUR", "1")):
        assert world.code(facts.PayoutReturned(deal.event(), payout, money, "x")) == "CONFLICT"


def test_a_result_of_an_unknown_payout_is_refused():
    world, deal = released()
    assert world.code(deal.payout_paid(ident("pyo", "none"))) == "UNKNOWN_PAYOUT"


def test_s6_a_failed_automatic_payout_closes_the_contract_and_leaves_the_money_with_the_seller():
    world, deal = booked(terms(payout=WISH))
    world.do(deal.delivered(world.now_ms))
    (payout,) = world.state.payouts
    world.do(result(deal, payout, "manual"))
    assert shown(world, deal) == "SETTLING released"
    world.do(result(deal, payout, "failed"))
    assert shown(world, deal) == "CLOSED released"
    world.do(request(deal, 100_000))
