"""Currency arithmetic: the worked examples, exactness, and that nobody gains by going there and back."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sps.ledger.fx import (
    JUMP_BP_MAX,
    RATIO_MAX,
    SIGNIFICANT_DIGITS,
    Bought,
    RateRefused,
    Sold,
    convert_buy,
    convert_sell,
    cross_rate,
    jump_bp,
    parse_rate,
)

ROUND_TRIPS = 100_000
published = st.builds(
    Fraction, st.integers(min_value=1, max_value=10**9), st.sampled_from([10**k for k in range(6)])
).map(lambda f: (f.numerator, f.denominator))


def test_the_worked_example_of_a_release_into_euro():
    num, den = parse_rate("0.923150")
    assert convert_sell(98_500, num, den, 50, 2, 2) == Sold(converted=98_007, spread=493, out=90_475)


def test_the_worked_example_of_a_pay_in_in_yen():
    num, den = parse_rate("151.2345")
    assert convert_buy(100_000, den, num, 50, 0, 2) == Bought(mid=151_235, spread=757, total=151_992)


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("1", (1, 1)),
        ("0.5", (1, 2)),
        ("1.0850", (217, 200)),
        ("151.2345", (302469, 2000)),
        ("17345.12", (433628, 25)),
        ("0.00000000000000001", (1, 10**17)),
    ],
)
def test_a_published_rate_is_read_exactly(text, ratio):
    assert parse_rate(text) == ratio


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.0",
        "-1",
        "+1",
        "1.",
        ".5",
        "1e3",
        "1E-3",
        "01.5",
        "1,5",
        " 1",
        "1\n",
        "NaN",
        "Infinity",
        "1_0",
        "\u0661",
        "1.0.0",
        "0x1",
        "1.000000000000000000",
        "1000000000000",
    ],
)
def test_a_rate_spelled_in_another_way_is_refused(text):
    with pytest.raises(RateRefused):
        parse_rate(text)


@given(published, published)
def test_a_cross_rate_is_the_exact_one_within_twelve_digits_and_never_above(source, target):
    exact = Fraction(*target) / Fraction(*source)
    try:
        applied = Fraction(*cross_rate(source, target))
    except RateRefused:
        assert exact < Fraction(1, 10**6)
        return
    assert applied <= exact
    assert exact - applied <= exact * Fraction(10, 10**SIGNIFICANT_DIGITS)


@given(published, published)
def test_a_cross_rate_has_at_most_twelve_significant_digits(source, target):
    try:
        num, den = cross_rate(source, target)
    except RateRefused:
        return
    digits = str(num * 10**30 // den).rstrip("0")
    assert len(digits) <= SIGNIFICANT_DIGITS
    assert (num * 10**30) % den == 0
    assert max(num, den) <= RATIO_MAX


@given(published)
def test_a_rate_to_itself_is_one(rate):
    assert cross_rate(rate, rate) == (1, 1)


@given(published, published, published)
def test_rates_of_one_snapshot_leave_no_arbitrage_in_a_triangle(a, b, c):
    try:
        around = math.prod(Fraction(*cross_rate(*pair)) for pair in ((a, b), (b, c), (c, a)))
    except RateRefused:
        return
    assert abs(around - 1) <= Fraction(1, 10**9)
    assert around <= 1


@pytest.mark.slow
def test_no_round_trip_of_a_hundred_thousand_makes_the_customer_richer():
    chance = random.Random(20260101)
    for _ in range(ROUND_TRIPS):
        a = (chance.randrange(1, 10**6), 10 ** chance.randrange(5))
        b = (chance.randrange(1, 10**6), 10 ** chance.randrange(5))
        exponents = chance.choice((0, 2, 3, 4)), chance.choice((0, 2, 3, 4))
        amount = chance.randrange(1, 10 ** chance.randrange(1, 17))
        bp = chance.choice((0, 0, 1, 50))
        try:
            there, back = cross_rate(a, b), cross_rate(b, a)
        except RateRefused:
            continue
        out = convert_sell(amount, *there, bp, *exponents).out
        home = convert_sell(out, *back, bp, *exponents[::-1]).out if out else 0
        assert home <= amount


@given(st.integers(1, 2**62), published, st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 4))
def test_a_sale_loses_nothing_and_rounds_less_than_one_unit(net, rate, bp, source_exponent, target_exponent):
    sold = convert_sell(net, *rate, bp, source_exponent, target_exponent)
    assert sold.converted + sold.spread == net
    assert 0 <= sold.spread - Fraction(net * bp, 10_000) < 1
    exact = sold.converted * Fraction(*rate) * Fraction(10) ** (target_exponent - source_exponent)
    assert 0 <= exact - sold.out < 1


@given(st.integers(1, 10**15), published, st.integers(0, 4), st.integers(0, 4))
def test_what_a_purchase_costs_sells_for_at_least_what_was_bought(
    amount, rate, source_exponent, target_exponent
):
    bought = convert_buy(amount, *rate, 0, source_exponent, target_exponent)
    assert convert_sell(bought.mid, *rate, 0, source_exponent, target_exponent).out >= amount
    if bought.mid > 1:
        assert convert_sell(bought.mid - 1, *rate, 0, source_exponent, target_exponent).out < amount


@pytest.mark.parametrize(("net", "bp"), [(0, 0), (-1, 0), (1, -1), (1, 10_001)])
def test_an_amount_or_spread_out_of_bounds_is_refused(net, bp):
    with pytest.raises(RateRefused):
        convert_sell(net, 1, 1, bp, 2, 2)


@pytest.mark.parametrize("ratio", [(0, 1), (1, 0), (-1, 1), (1, -1), (RATIO_MAX + 1, 1), (1, RATIO_MAX + 1)])
def test_a_ratio_out_of_bounds_is_refused(ratio):
    with pytest.raises(RateRefused):
        convert_sell(1, *ratio, 0, 2, 2)
    with pytest.raises(RateRefused):
        cross_rate(ratio, (1, 1))


@pytest.mark.parametrize(
    ("old", "new", "bp"),
    [
        ("1", "1", 0),
        ("1", "1.03", 300),
        ("1", "0.97", 300),
        ("1.0850", "1.0851", 1),
        ("100", "103.0001", 301),
        ("0.00001", "999999999999", JUMP_BP_MAX),
    ],
)
def test_a_jump_is_measured_in_basis_points_of_the_old_rate_and_rounded_up(old, new, bp):
    assert jump_bp(parse_rate(old), parse_rate(new)) == bp
