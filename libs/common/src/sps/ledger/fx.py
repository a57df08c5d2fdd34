"""Currency arithmetic in exact integers; whatever is lost by rounding stays with the position account.

A rate is a pair (num, den): num/den MAJOR units of the target for one MAJOR unit of the source. It is
rounded once, downwards, to 12 significant digits, when the quote is made; afterwards only amounts are
rounded: what a customer gets downwards, what a customer pays upwards (`docs/ledger.md`, FX). Because
every step rounds towards the position, no way there and back leaves the customer richer.
"""

import decimal
import re
from fractions import Fraction
from typing import Final

from msgspec import Struct

from sps.money import share_ceil

Ratio = tuple[int, int]
"""(num, den), both above zero."""

SIGNIFICANT_DIGITS: Final = 12
RATIO_MAX: Final = 10**18 - 1
"""Largest numerator and denominator: 18 digits as on the wire, below 2^63."""
SPREAD_BP_MAX: Final = 10_000
JUMP_BP_MAX: Final = 10**9
"""A larger jump is reported as this."""

_ONE_IN_BP: Final = 10_000
_RATE: Final = re.compile(r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,17})?", re.ASCII)
_EXACT: Final = decimal.Context(
    prec=60,
    traps=[decimal.Inexact, decimal.Rounded, decimal.InvalidOperation, decimal.FloatOperation],
)


class RateRefused(ValueError):
    """The text, the ratio or the amount cannot be converted exactly within the bounds."""


class Sold(Struct, frozen=True):
    """A sell-fix: `net` = `converted` + `spread` of the source; `out` minor units of the target."""

    converted: int
    spread: int
    out: int


class Bought(Struct, frozen=True):
    """A buy-fix, minor units of the source: the customer pays `total` = `mid` + `spread`."""

    mid: int
    spread: int
    total: int


def parse_rate(text: str) -> Ratio:
    """Read a published rate such as `"1.0850"` exactly, in lowest terms; nothing else is taken."""
    if not _RATE.fullmatch(text):
        raise RateRefused("a rate is written in digits, like 1.0850")
    num, den = _EXACT.create_decimal(text).as_integer_ratio()
    return _bounded(Fraction(num, den))


def cross_rate(pivot_to_source: Ratio, pivot_to_target: Ratio) -> Ratio:
    """Units of the target for one of the source, through the pivot; rounded down to 12 significant digits.

    Down, and not to the nearest: the two directions then multiply to at most 1, whatever the amount.
    """
    exact = _fraction(pivot_to_target) / _fraction(pivot_to_source)
    return _bounded(_round_down(exact))


def convert_sell(
    net: int, num: int, den: int, spread_bp: int, source_exponent: int, target_exponent: int
) -> Sold:
    """Sell exactly `net` minor units of the source (P31): spread up, proceeds down.

    `out` may be 0 for an amount too small; whether that is wanted is the caller's rule.
    """
    _check_amount(net, spread_bp)
    spread = share_ceil(net, spread_bp)
    converted = net - spread
    rate = _minor_rate((num, den), source_exponent, target_exponent)
    return Sold(converted, spread, converted * rate.numerator // rate.denominator)


def convert_buy(
    amount: int, num: int, den: int, spread_bp: int, source_exponent: int, target_exponent: int
) -> Bought:
    """Buy exactly `amount` minor units of the target (P32): what it costs in the source, every part up."""
    _check_amount(amount, spread_bp)
    rate = _minor_rate((num, den), source_exponent, target_exponent)
    mid = -(-amount * rate.denominator // rate.numerator)
    spread = share_ceil(mid, spread_bp)
    return Bought(mid, spread, mid + spread)


def jump_bp(old: Ratio, new: Ratio) -> int:
    """How far `new` is from `old`, in basis points of `old`, rounded up: 3 % is 300."""
    before, after = _fraction(old), _fraction(new)
    jump = abs(after - before) / before * _ONE_IN_BP
    return min(-(-jump.numerator // jump.denominator), JUMP_BP_MAX)


def _fraction(ratio: Ratio) -> Fraction:
    num, den = ratio
    if not (0 < num <= RATIO_MAX and 0 < den <= RATIO_MAX):
        raise RateRefused(f"a rate is a ratio of numbers from 1 to {RATIO_MAX}")
    return Fraction(num, den)


def _bounded(rate: Fraction) -> Ratio:
    ratio = (rate.numerator, rate.denominator)
    _fraction(ratio)
    return ratio


def _round_down(rate: Fraction) -> Fraction:
    """The largest number of 12 significant decimal digits that is not above `rate`."""
    magnitude = len(str(rate.numerator)) - len(str(rate.denominator))
    shift = SIGNIFICANT_DIGITS - magnitude
    scaled = rate * Fraction(10) ** shift
    while scaled >= 10**SIGNIFICANT_DIGITS:
        scaled, shift = scaled / 10, shift - 1
    return Fraction(scaled.numerator // scaled.denominator) / Fraction(10) ** shift


def _minor_rate(ratio: Ratio, source_exponent: int, target_exponent: int) -> Fraction:
    """Minor units of the target for one minor unit of the source."""
    return _fraction(ratio) * Fraction(10**target_exponent, 10**source_exponent)


def _check_amount(amount: int, spread_bp: int) -> None:
    if amount <= 0 or not 0 <= spread_bp <= SPREAD_BP_MAX:
        raise RateRefused(f"an amount above 0 and a spread of 0 to {SPREAD_BP_MAX} basis points are needed")
