"""The pure part of the books: entries, movements, orders."""

import pytest
from chain_world import WISH, Deal, World, booked, funded, terms
from hypothesis import given
from hypothesis import strategies as st

from settlement.core.books import Movement, OutOfBalance, check_books, entries_of, movements_of, sums_of
from settlement.core.orders import orders_of
from sps.chain.receipt import Receipt
from sps.ledger.journal import Journal, Posting
from sps.transactions.values import WireMoney

ACCOUNTS = ("1000/alipay/CNY", "2000/k/t1/CNY", "2100/s/CNY", "3000/p/CNY", "2100/s/EUR", "5000/EUR")


def receipt(*journals, code="OK", index=0):
    return Receipt(7, index, "x", code, "s", journals=journals)


def transfer(kind, debit, credit, amount):
    return Journal(kind, (Posting(debit, amount), Posting(credit, -amount)))


# --- books -------------------------------------------------------------------------------------


def test_entries_are_numbered_through_the_block_and_name_their_cause():
    first, second = transfer("P03", *ACCOUNTS[:2], 5), transfer("P20", ACCOUNTS[1], ACCOUNTS[2], 5)
    entries = entries_of(
        [receipt(first, second), receipt(code="DUPLICATE", index=1), receipt(second, index=2)]
    )
    assert [(e.n, e.cause, e.journal.kind) for e in entries] == [(0, 0, "P03"), (1, 0, "P20"), (2, 2, "P20")]


def test_a_refused_receipt_has_no_entries():
    assert entries_of([receipt(transfer("P03", *ACCOUNTS[:2], 5), code="CONFLICT")]) == []


@pytest.mark.parametrize(
    "postings",
    [
        (),
        (Posting(ACCOUNTS[0], 5),),
        (Posting(ACCOUNTS[0], 5), Posting(ACCOUNTS[1], -4)),
        (Posting(ACCOUNTS[2], 5), Posting(ACCOUNTS[4], -5)),
        (Posting(ACCOUNTS[0], 0), Posting(ACCOUNTS[1], 0)),
        (Posting("9000/k/CNY", 5), Posting(ACCOUNTS[1], -5)),
        (Posting("7777/k/CNY", 5), Posting(ACCOUNTS[1], -5)),
        (Posting("1000/alipay/QQQ", 5), Posting("2000/k/t1/QQQ", -5)),
    ],
)
def test_a_journal_that_breaks_a_rule_is_a_defect_and_names_its_place(postings):
    with pytest.raises(OutOfBalance, match="height 7, receipt 3"):
        entries_of([receipt(Journal("P03", postings), index=3)])


pairs = st.tuples(
    st.sampled_from(ACCOUNTS[:4]), st.sampled_from(ACCOUNTS[:4]), st.integers(1, 10**12)
).filter(lambda pair: pair[0] != pair[1])


@given(st.lists(pairs, max_size=30))
def test_movements_are_the_sums_of_the_postings_and_balance(transfers):
    entries = entries_of([receipt(*(transfer("P20", *each) for each in transfers))])
    moved = movements_of(entries)
    for account in ACCOUNTS[:4]:
        postings = [p.amount for e in entries for p in e.journal.postings if p.account == account]
        expected = Movement(sum(a for a in postings if a > 0), -sum(a for a in postings if a < 0))
        assert moved.get(account, Movement(0, 0)) == expected
    assert not any(sums_of((name, each.debits - each.credits) for name, each in moved.items()).values())
    assert list(moved) == sorted(moved)


def test_stored_and_executed_balances_are_compared_both_ways():
    good = {ACCOUNTS[0]: 5, ACCOUNTS[1]: -5}
    check_books(good, good, 1)
    for stored, executed in ((good, {}), ({}, good), (good, good | {ACCOUNTS[1]: -4})):
        with pytest.raises(OutOfBalance, match="height 9"):
            check_books(stored, executed, 9)
    with pytest.raises(OutOfBalance, match="sum to zero"):
        check_books({ACCOUNTS[0]: 5}, {ACCOUNTS[0]: 5}, 9)


# --- orders ------------------------------------------------------------------------------------


def test_a_payout_order_says_what_the_chain_decided():
    world, deal = booked(terms(payout=WISH))
    done = world.do(deal.delivered(world.now_ms))
    [order] = orders_of(done, world.state)
    payout = world.state.payouts[order.id]
    assert (order.kind, order.provider, order.beneficiary) == ("payout", "alipay", payout.beneficiary)
    assert order.amount == WireMoney("CNY", str(payout.amount))
    assert (order.height, order.index) == (done[0].height, done[0].index)


def test_a_refund_order_names_the_payment_it_goes_back_on():
    world, deal = funded()
    [order] = orders_of(world.do(deal.cancel()), world.state)
    assert (order.kind, order.payment, order.amount.minor) == ("refund", deal.payment(), "100000")
    assert order.beneficiary is None


def test_two_payers_get_two_orders_and_results_make_none():
    world, deal = World(), Deal()
    world.do(deal.offer(), deal.accept(), deal.pay(40_000), deal.pay(60_000, number=2))
    orders = orders_of(world.do(deal.cancel()), world.state)
    assert sorted(order.amount.minor for order in orders) == ["40000", "60000"]
    for order in orders:
        assert orders_of(world.do(deal.refund_paid(order.id)), world.state) == []
