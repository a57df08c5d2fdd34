"""Rows F7-F12, F18; P02-P12: what a buyer's payment does to a contract."""

import pytest
from chain_world import Deal, World, funded, h32, ident, many_tranches, settle, shown, terms

from sps.escrow import payin
from sps.transactions import vocabulary as facts
from sps.transactions.terms import DAY_MS
from sps.transactions.values import WireMoney


def agreed(**fields: object) -> tuple[World, Deal]:
    world, deal = World(), Deal(agreed=terms(**fields))
    world.do(deal.offer(), deal.accept())
    return world, deal


def kinds(receipt) -> list[str]:
    return [journal.kind for journal in receipt.journals]


def test_f7_a_payment_under_way_is_a_memo_and_no_money():
    world, deal = agreed()
    (receipt,) = world.do(deal.pending())
    assert (receipt.rules, kinds(receipt)) == (("F7",), ["P02"])
    assert shown(world, deal) == "AGREED"
    (receipt,) = world.do(deal.pay_failed())
    assert kinds(receipt) == ["P02M"]
    assert not any(account.startswith("91") for account in world.state.balances)


def test_f7_a_failed_attempt_may_be_tried_again_and_clear_after_all():
    world, deal = agreed()
    world.do(deal.pending(), deal.pay_failed(), deal.pending(), deal.pay_failed(), deal.pay())
    assert shown(world, deal) == "FUNDED"


def test_f8_a_part_of_the_price_is_held_in_order_and_waits_for_the_rest():
    world, deal = agreed(tranches=many_tranches([60_000, 40_000], [["p1"], ["p2"]]))
    (receipt,) = world.do(deal.pay(70_000))
    assert (receipt.rules, kinds(receipt)) == (("F8",), ["P05", "P01M"])
    assert [t.held for t in world.state.contracts[deal.id].tranches] == [60_000, 10_000]
    assert shown(world, deal) == "PART_FUNDED"
    world.do(deal.pay(30_000, number=2))
    assert shown(world, deal) == "FUNDED"


def test_f9_an_exact_payment_funds_the_contract():
    world, deal = agreed()
    (receipt,) = world.do(deal.pay())
    assert (receipt.rules, kinds(receipt)) == (("F9",), ["P03", "P01M"])
    assert world.state.balances == {
        "1000/alipay/CNY": 100_000,
        f"2000/{deal.id}/t1/CNY": -100_000,
    }


def test_f9_a_shortfall_within_the_tolerance_is_the_sellers():
    world, deal = agreed(tolerance="30")
    (receipt,) = world.do(deal.pay(99_970))
    assert (receipt.rules, kinds(receipt)) == (("F9",), ["P06", "P01M"])
    contract = world.state.contracts[deal.id]
    assert (contract.shortfall, contract.tranches[0].held) == (30, 99_970)
    world.do(deal.book(), deal.delivered(world.now_ms))
    assert world.state.balances[f"2100/{deal.seller}/CNY"] == -99_970


def test_f10_too_much_goes_back_at_once_on_the_same_rail():
    world, deal = agreed()
    (receipt,) = world.do(deal.pay(100_250))
    assert (receipt.rules, kinds(receipt)) == (("F9", "F10"), ["P08", "P01M", "P40"])
    (refund,) = world.state.contracts[deal.id].refunds
    assert (refund.amount, refund.provider, refund.currency) == (250, "alipay", "CNY")
    settle(world, deal)
    assert world.state.balances["1000/alipay/CNY"] == 100_000


def test_f10_a_second_payment_of_a_funded_contract_goes_back_whole():
    world, deal = funded()
    assert world.rules(deal.pay(number=2)) == ("F10",)
    (refund,) = world.state.contracts[deal.id].refunds
    assert (refund.payment, refund.amount) == (deal.payment(2), 100_000)


def test_f11_another_currency_is_parked_shown_and_returned():
    world, deal = agreed()
    (receipt,) = world.do(deal.pay(5_000, currency="EUR"))
    assert (receipt.rules, kinds(receipt)) == (("F11",), ["P11"])
    assert shown(world, deal) == "FUNDING_REVIEW"
    (receipt,) = world.wait(3 * DAY_MS)
    assert (receipt.rules, kinds(receipt)) == (("F11",), ["P40"])
    settle(world, deal)
    assert shown(world, deal) == "AGREED"
    assert not any(account.endswith("EUR") for account in world.state.balances)


def test_f12_the_right_payment_beside_a_parked_one_funds_the_contract():
    world, deal = agreed()
    world.do(deal.pay(5_000, currency="EUR"), deal.pay(number=2))
    assert shown(world, deal) == "FUNDED"


@pytest.mark.parametrize("end", ["decline", "withdraw"])
def test_f18_a_late_payment_is_parked_and_never_opens_the_contract(end):
    world, deal = World(), Deal()
    world.do(deal.offer(), getattr(deal, end)())
    closed = shown(world, deal)
    (receipt,) = world.do(deal.pay())
    assert (receipt.rules, kinds(receipt)) == (("F18",), ["P09"])
    assert shown(world, deal) == closed
    world.wait(3 * DAY_MS)
    settle(world, deal)
    assert shown(world, deal) == closed
    assert world.state.balances == {}


def test_f18_a_payment_before_the_acceptance_is_parked_too():
    world, deal = World(), Deal()
    world.do(deal.offer(), deal.pay())
    assert shown(world, deal) == "OFFERED"
    assert world.state.contracts[deal.id].surplus == 100_000


def test_p10_a_payment_without_a_contract_stands_in_suspense():
    world, deal = World(), Deal()
    (receipt,) = world.do(deal.pay())
    assert (receipt.subject, kinds(receipt)) == (deal.payment(), ["P10"])
    assert world.state.balances["2500/alipay/CNY"] == -100_000
    assert world.code(deal.pay()) == "DUPLICATE"
    assert world.code(deal.pay(7)) == "CONFLICT"
    world.do(deal.offer())
    assert world.code(deal.pay()) == "DUPLICATE"


def test_p10_takes_payments_beyond_the_bound_of_one_contract():
    world, deal = funded()
    for number in range(2, payin.PAYINS_MAX + 1):
        world.do(deal.pay(1, number=number))
    assert world.rules(deal.pay(1, number=99)) == ("P10",)


def test_failed_attempts_do_not_use_up_the_bound_and_open_ones_do():
    world, deal = agreed()
    for number in range(1, payin.PAYINS_MAX + 5):
        world.do(deal.pending(number), deal.pay_failed(number))
    assert len(world.state.contracts[deal.id].payins) == payin.PAYINS_MAX
    world.do(deal.pay(number=1))
    assert shown(world, deal) == "FUNDED"
    other = Deal("other")
    world.do(other.offer(), other.accept())
    world.do(*(other.pending(number) for number in range(payin.PAYINS_MAX)))
    assert world.code(other.pending(99)) == "TOO_MANY_PAYINS"


def test_f24_the_same_payment_again_is_a_repeat_and_other_content_a_conflict():
    world, deal = funded()
    assert world.code(deal.pay()) == "DUPLICATE"
    assert world.code(deal.pay(5)) == "CONFLICT"
    assert world.code(deal.pay(provider="stripe")) == "CONFLICT"
    assert world.code(deal.pending()) == "DUPLICATE"
    other = Deal("other")
    world.do(other.offer())
    stolen = facts.PaymentCleared(
        other.event(), other.id, deal.payment(), "alipay", "x", WireMoney("CNY", "1"), h32("raw")
    )
    assert world.code(stolen) == "CONFLICT"


def test_one_provider_reference_pays_once():
    world, deal = agreed()
    world.do(deal.pay(100))
    again = facts.PaymentCleared(
        deal.event(), deal.id, deal.payment(2), "alipay", "ref-deal-1", WireMoney("CNY", "100"), h32("raw")
    )
    assert world.code(again) == "CONFLICT"


def test_a_checkout_is_only_for_what_is_expected():
    world, deal = funded()
    assert world.code(deal.pending(number=2)) == "PAYMENT_NOT_EXPECTED"
    assert world.code(Deal("nobody").pending()) == "UNKNOWN_CONTRACT"


def test_payments_are_bounded_and_of_known_currencies():
    world, deal = agreed()
    assert world.code(deal.pay(10**16)) == "AMOUNT_OUT_OF_BOUNDS"
    assert world.code(deal.pay(1, currency="ABC")) == "UNKNOWN_CURRENCY"


def test_a_memo_of_an_unfinished_attempt_ends_with_the_contract():
    world, deal = agreed()
    world.do(deal.pending())
    world.wait(10 * DAY_MS)
    assert world.state.balances == {}
    world.do(deal.pay())
    assert world.state.contracts[deal.id].surplus == 100_000


def test_p04_the_providers_fee_is_our_expense_once():
    world, deal = funded()
    fee = facts.ProviderFee(deal.event(), deal.payment(), "alipay", WireMoney("CNY", "600"), h32("raw"))
    (receipt,) = world.do(fee)
    assert (receipt.subject, kinds(receipt)) == (deal.id, ["P04"])
    assert world.state.balances["4000/alipay/CNY"] == 600
    assert world.code(fee) == "DUPLICATE"
    other = facts.ProviderFee(deal.event(), deal.payment(), "alipay", WireMoney("CNY", "601"), h32("raw"))
    assert world.code(other) == "CONFLICT"
    unknown = facts.ProviderFee(deal.event(), ident("pay", "x"), "alipay", WireMoney("CNY", "1"), h32("raw"))
    assert world.code(unknown) == "UNKNOWN_PAYMENT"


def test_p04_an_unknown_payment_has_a_fee_too():
    world, deal = World(), Deal()
    fee = facts.ProviderFee(deal.event(), deal.payment(), "alipay", WireMoney("CNY", "600"), h32("raw"))
    world.do(deal.pay(), fee)
    assert world.state.orphans[deal.payment()].fee == 600
    assert world.code(fee) == "DUPLICATE"
    assert world.code(deal.pay()) == "DUPLICATE"


def test_p12_a_sweep_to_the_bank_is_booked_once_and_may_turn_the_clearing_account():
    world, deal = funded()
    sweep = facts.ProviderSettled(deal.event(), "alipay", "s1", WireMoney("CNY", "99000"), "1500")
    (receipt,) = world.do(sweep)
    assert kinds(receipt) == ["P12"]
    assert world.state.balances["1000/alipay/CNY"] == -500
    assert world.code(sweep) == "DUPLICATE"
    other = facts.ProviderSettled(deal.event(), "alipay", "s1", WireMoney("CNY", "99000"))
    assert world.code(other) == "CONFLICT"


def test_the_balances_are_the_sum_of_the_journals():
    world, deal = agreed()
    world.do(deal.pay(30), deal.pay(5, number=2, currency="EUR"), deal.pay(200_000, number=3))
    settle(world, deal)
    assert world.state.balances == world.book.balances()
