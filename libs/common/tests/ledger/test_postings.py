"""The posting table: every row is balanced, stays in its circle and uses accounts of the chart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sps.ledger import accounts, postings
from sps.ledger.accounts import Guard, guard_of
from sps.ledger.journal import Unbalanced
from sps.ledger.postings import Owners, Release

OWNERS = Owners("ctr_x", "mer_x", "CNY", "standard", "DE", "dhl")
AMOUNT = st.integers(1, 10**15)


def rows(a: int, b: int):
    """Every row of the table, for two amounts."""
    parts = Release(a, b, 1, 2, 3)
    held = (("t1", a), ("t2", b + 6))
    return [
        postings.p01("ctr_x", "CNY", a),
        postings.p01_mirror("ctr_x", "CNY", a),
        postings.p02("pay_x", "CNY", a),
        postings.p02_mirror((("pay_x", a), ("pay_y", b)), "CNY"),
        postings.p03("alipay", "ctr_x", "CNY", held),
        postings.p04("alipay", "CNY", a),
        postings.p05("alipay", "ctr_x", "CNY", held),
        postings.p06("alipay", "ctr_x", "CNY", held),
        postings.p07("ctr_x", "CNY", held),
        postings.p08("alipay", "ctr_x", "CNY", held, b),
        postings.p09("alipay", "ctr_x", "CNY", a),
        postings.p10("alipay", "CNY", a),
        postings.p11("alipay", "ctr_x", "EUR", a),
        postings.p12("alipay", "s1", "CNY", a, b),
        postings.p20(OWNERS, held, parts),
        postings.p21(OWNERS, held, parts),
        postings.p23("mer_x", "CNY", a),
        postings.p24(OWNERS, held, parts, "1/0/P20"),
        postings.p30("quo_x", "CNY", a),
        postings.p30_mirror("quo_x", "CNY", a),
        postings.p31("mer_x", ("CNY", a + b), ("EUR", b), a),
        postings.p40("2200/ctr_x/CNY", "CNY", (("rfd_x", a), ("rfd_y", b))),
        postings.p41("rfd_x", "alipay", "CNY", a),
        postings.p42("rfd_x", "ctr_x", "CNY", a),
        postings.p60("mer_x", "CNY", (("pyo_x", a), ("pyo_y", b))),
        postings.p61("pyo_x", "alipay", "CNY", a),
        postings.p63("pyo_x", "mer_x", "CNY", a),
        postings.p64("mer_x", "alipay", "CNY", a + b, a),
        postings.p84("alipay", "CNY", a),
    ]


@given(AMOUNT, AMOUNT)
def test_every_row_sums_to_zero_per_currency_and_never_mixes_memo_and_real(a, b):
    for journal in rows(a, b):
        sums: dict[str, int] = {}
        for posting in journal.postings:
            assert posting.amount != 0
            sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
        assert not any(sums.values()), journal
        assert len(journal.postings) >= 2
        assert len({posting.account[0] == "9" for posting in journal.postings}) == 1


def test_every_account_of_a_row_stands_in_the_chart():
    for journal in rows(5, 7):
        for posting in journal.postings:
            guard_of(posting.account)


def test_every_row_has_its_name():
    kinds = [journal.kind for journal in rows(5, 7)]
    assert len(set(kinds)) == len(kinds) == 29


def test_the_worked_example_of_a_release():
    journal = postings.p20(OWNERS, (("t1", 100_000),), Release(98_500, 1_500))
    assert {p.account: p.amount for p in journal.postings} == {
        "2000/ctr_x/t1/CNY": 100_000,
        "2100/mer_x/CNY": -98_500,
        "3000/standard/CNY": -1_500,
    }


def test_the_worked_example_of_a_conversion():
    journal = postings.p31("mer_x", ("USD", 98_500), ("EUR", 90_475), 493)
    assert {p.account: p.amount for p in journal.postings} == {
        "2100/mer_x/USD": 98_500,
        "5000/USD": -98_007,
        "3010/USD-EUR/USD": -493,
        "5000/EUR": 90_475,
        "2100/mer_x/EUR": -90_475,
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda: postings.p01("ctr_x", "CNY", 0),
        lambda: postings.p04("alipay", "CNY", -1),
        lambda: postings.p07("ctr_x", "CNY", (("t1", 0),)),
        lambda: postings.p40("2200/ctr_x/CNY", "CNY", ()),
        lambda: postings.p03("alipay", "ctr_x", "CNY", (("t1", 5), ("t2", -1))),
        lambda: postings.p20(OWNERS, (("t1", 10),), Release(9)),
        lambda: postings.p12("alipay", "s1", "CNY", 0, 0),
    ],
)
def test_an_empty_or_unbalanced_journal_is_a_defect(make):
    with pytest.raises(Unbalanced):
        make()


def test_zero_shares_are_left_out():
    assert len(postings.p07("ctr_x", "CNY", (("t1", 0), ("t2", 5))).postings) == 2


def test_held_money_can_never_be_overdrawn_and_a_provider_may_run_ahead_as_an_alarm():
    assert guard_of(accounts.held("ctr_x", "t1", "CNY")) is Guard.NEVER_POSITIVE
    assert guard_of(accounts.psp_clearing("alipay", "CNY")) is Guard.NEGATIVE_IS_ALARM
    with pytest.raises(KeyError):
        guard_of("7777/x/CNY")
