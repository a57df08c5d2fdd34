"""Exact money: what is taken, what is refused, and that every split sums to its whole."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sps.money import (
    MINOR_MAX,
    Money,
    MoneyRefused,
    checked,
    format_major,
    parse_major,
    parse_minor,
    share_ceil,
    share_half_even,
    split,
)

minors = st.integers(min_value=-MINOR_MAX, max_value=MINOR_MAX)
currencies = st.sampled_from(["JPY", "CNY", "USD", "KWD", "CLF", "DEM"])
NOT_NUMBERS = [
    "",
    " 1",
    "1 ",
    "+1",
    "--1",
    "1e3",
    "0x1",
    "1_000",
    "1,000",
    "NaN",
    "\u0661\u0662",
    "1\n",
    "\uff11",
]


@given(minors, currencies)
def test_an_amount_survives_both_spellings(minor, currency):
    money = checked(minor, currency)
    assert parse_minor(str(minor), currency) == money
    assert parse_major(format_major(money), currency) == money


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("123.45", "CNY", 12_345),
        ("0.05", "USD", 5),
        ("-0.05", "USD", -5),
        ("10.005", "KWD", 10_005),
        ("7", "JPY", 7),
        ("7.5", "USD", 750),
        ("0", "USD", 0),
        ("1.2345", "CLF", 12_345),
    ],
)
def test_major_units_are_read_with_the_decimals_of_the_currency(text, currency, minor):
    assert parse_major(text, currency) == Money(minor, currency)


@pytest.mark.parametrize("text", [*NOT_NUMBERS, "01", "-0", "1.0", "9" * 20, "9" * 10_000])
def test_minor_units_spelled_in_another_way_are_refused(text):
    with pytest.raises(MoneyRefused) as refused:
        parse_minor(text, "CNY")
    assert refused.value.code == "MALFORMED_AMOUNT"


@pytest.mark.parametrize(
    "text", [*NOT_NUMBERS, "01.00", ".5", "1.", "1.2.3", "1.+5", "-0", "-0.00", "1.\u0665"]
)
def test_major_units_spelled_in_another_way_are_refused(text):
    with pytest.raises(MoneyRefused) as refused:
        parse_major(text, "CNY")
    assert refused.value.code == "MALFORMED_AMOUNT"


@pytest.mark.parametrize(("text", "currency"), [("1.005", "CNY"), ("1.0", "JPY"), ("1.00000", "CLF")])
def test_more_decimals_than_the_currency_has_are_refused_and_not_rounded(text, currency):
    with pytest.raises(MoneyRefused) as refused:
        parse_major(text, currency)
    assert refused.value.code == "TOO_MANY_DECIMALS"


@pytest.mark.parametrize("currency", ["XAU", "XXX", "cny", "BTC", "CNY\n", ""])
def test_money_of_an_unknown_currency_is_refused(currency):
    for make in (parse_minor, parse_major):
        with pytest.raises(MoneyRefused) as refused:
            make("1", currency)
        assert refused.value.code == "UNKNOWN_CURRENCY"
    with pytest.raises(MoneyRefused):
        format_major(Money(1, currency))


def test_an_old_book_in_a_withdrawn_currency_can_be_read():
    assert format_major(parse_minor("195583", "BGN")) == "1955.83"


def test_currencies_are_never_added_to_each_other():
    for operate in (Money.__add__, Money.__sub__):
        with pytest.raises(MoneyRefused) as refused:
            operate(Money(1, "CNY"), Money(1, "USD"))
        assert refused.value.code == "CURRENCY_MISMATCH"


def test_a_sum_beyond_the_bound_is_refused_and_not_wrapped():
    most = checked(MINOR_MAX, "CNY")
    for beyond in (
        lambda: most + Money(1, "CNY"),
        lambda: -most - Money(1, "CNY"),
        lambda: parse_major("9" * 17, "CNY"),
    ):
        with pytest.raises(MoneyRefused) as refused:
            beyond()
        assert refused.value.code == "AMOUNT_TOO_LARGE"


@given(minors, minors)
def test_addition_is_undone_by_subtraction(a, b):
    if abs(a + b) <= MINOR_MAX:
        assert Money(a, "CNY") + Money(b, "CNY") - Money(b, "CNY") == Money(a, "CNY")
        assert Money(a, "CNY") + (-Money(a, "CNY")) == Money(0, "CNY")


@given(st.integers(0, MINOR_MAX), st.lists(st.integers(0, 10**12), min_size=1, max_size=50).filter(any))
def test_a_split_sums_to_the_whole_and_each_part_is_within_one_unit_of_its_share(total, weights):
    parts = split(total, weights)
    assert sum(parts) == total
    assert all(
        abs(part - Fraction(total * w, sum(weights))) < 1 for part, w in zip(parts, weights, strict=True)
    )
    assert all(part == 0 for part, w in zip(parts, weights, strict=True) if w == 0)


def test_a_tied_unit_goes_to_the_earlier_weight():
    assert split(100, [1, 1, 1]) == (34, 33, 33)
    assert split(1, [1, 1]) == (1, 0)


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, []), (1, [0, 0]), (1, [2, -1])])
def test_a_split_without_a_meaning_is_refused(total, weights):
    with pytest.raises(MoneyRefused):
        split(total, weights)


@given(minors, st.integers(0, 10_000))
def test_shares_round_as_fractions_do(amount, bp):
    exact = Fraction(amount * bp, 10_000)
    assert share_half_even(amount, bp) == round(exact)
    assert 0 <= share_ceil(amount, bp) - exact < 1


@pytest.mark.parametrize(("amount", "share"), [(100, 0), (300, 2), (500, 2), (101, 1), (99, 0)])
def test_a_half_goes_to_the_even_unit(amount, share):
    assert share_half_even(amount, 50) == share
