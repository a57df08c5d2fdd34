"""The naive book: the worked examples balance, every invariant it names is enforced, and refusal changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sps.ledger.accounts import GUARDS, Guard
from sps.ledger.book import Book, Breach, Total
from sps.ledger.journal import BALANCE_MAX, Journal, Posting, journal

CLEARING = "1000/alipay/USD"
HELD = "2000/ctr_a/t1/USD"
PAYABLE = "2100/mer_a/USD"


def raw(*lines, kind="P00"):
    return Journal(kind, tuple(Posting(account, amount) for account, amount in lines))


def funded(amount=100_000):
    return journal("P03", [(CLEARING, amount), (HELD, -amount)])


def release(amount=100_000, fee=1_500):
    return journal("P20", [(HELD, amount), ("3000/standard/USD", -fee), (PAYABLE, fee - amount)])


def test_the_worked_example_of_a_release_with_conversion():
    conversion = journal(
        "P31",
        [
            (PAYABLE, 98_500),
            ("3010/USD-EUR/USD", -493),
            ("5000/USD", -98_007),
            ("5000/EUR", 90_475),
            ("2100/mer_a/EUR", -90_475),
        ],
    )
    book = Book([funded(), release(), conversion])
    book.check()
    assert book.balances() == {
        CLEARING: 100_000,
        "2100/mer_a/EUR": -90_475,
        "3000/standard/USD": -1_500,
        "3010/USD-EUR/USD": -493,
        "5000/EUR": 90_475,
        "5000/USD": -98_007,
    }
    assert book.trial_balance()[PAYABLE] == Total(98_500, 98_500)


def test_the_worked_example_of_a_decided_dispute():
    frozen = journal("P50", [(HELD, 100_000), ("2010/ctr_a/t1/case/USD", -100_000)])
    decided = journal(
        "P52",
        [
            ("2010/ctr_a/t1/case/USD", 100_000),
            ("2310/rfd_a/USD", -40_000),
            ("2130/resolver/USD", -1_500),
            (PAYABLE, -57_622),
            ("3000/standard/USD", -878),
        ],
    )
    book = Book([funded(), frozen, decided])
    book.check()
    assert book.balance("2010/ctr_a/t1/case/USD") == book.balance(HELD) == 0


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ([(CLEARING, 1), (HELD, -2)], "I-01"),
        ([(CLEARING, 1)], "I-01"),
        ([], "I-01"),
        ([(CLEARING, 1), (HELD, -1), (PAYABLE, 0)], "I-01"),
        ([(CLEARING, 1), ("2000/ctr_a/t1/EUR", -1)], "I-01"),
        ([(CLEARING, 1), ("9001/ctr_a/USD", -1)], "I-01"),
        ([(CLEARING, 1), (HELD, -1)] * 200, "I-01"),
        ([(CLEARING, 1), ("2000/ctr_a/t1/XAU", -1)], "I-02"),
        ([(CLEARING, 1), ("2000/ctr_a/t1", -1)], "I-02"),
        ([(CLEARING, 1), ("7777/ctr_a/USD", -1)], "I-02"),
        ([(CLEARING, 1), ("2000//USD", -1)], "I-02"),
        ([(CLEARING, 1), ("", -1)], "I-02"),
        ([(CLEARING, 1), (HELD, -1), ("9000/ctr_a/USD", 1), ("9001/ctr_a/USD", -1)], "I-04"),
        ([(HELD, 2), (CLEARING, -2)], "I-05"),
        ([(CLEARING, BALANCE_MAX), ("5100/capital/USD", -BALANCE_MAX)], "I-05"),
    ],
)
def test_a_journal_that_breaks_an_invariant_is_refused_and_changes_nothing(lines, rule):
    book = Book([funded(1)])
    before = book.trial_balance()
    with pytest.raises(Breach) as breach:
        book.apply(raw(*lines))
    assert breach.value.rule == rule
    assert book.trial_balance() == before
    assert len(book.journals) == 1
    book.check()


@pytest.mark.parametrize("code", sorted(GUARDS))
def test_every_code_of_the_chart_keeps_the_sign_of_its_guard(code):
    account = f"{code}/owner/USD"
    contra = "9201/other/USD" if code[0] == "9" else "5100/capital/USD"
    for sign, forbidding in ((1, Guard.NEVER_POSITIVE), (-1, Guard.NEVER_NEGATIVE)):
        move = raw((account, sign), (contra, -sign))
        if GUARDS[code] is forbidding:
            with pytest.raises(Breach, match="I-05"):
                Book([move])
        else:
            assert Book([move]).balance(account) == sign


def test_a_providers_account_below_zero_is_an_alarm_and_no_stop():
    book = Book([raw((CLEARING, -5), ("5100/capital/USD", 5))])
    assert book.alarms == [CLEARING]


def test_guards_hold_at_every_prefix_and_not_only_at_the_end():
    with pytest.raises(Breach):
        Book([release(), funded()])
    Book([funded(), release()])


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 100)), max_size=20))
def test_the_books_sum_to_zero_after_any_history(history):
    book = Book()
    for amount, percent in history:
        book.apply(funded(amount))
        book.apply(release(amount, amount * percent // 100))
    book.check()
    assert sum(total.balance for total in book.trial_balance().values()) == 0
    assert book.balance(HELD) == 0


def test_a_book_whose_balances_were_tampered_with_is_found_out():
    book = Book([funded()])
    book._totals[HELD] = Total(0, 1)
    with pytest.raises(Breach, match="I-03"):
        book.check()
