"""Money is an integer of minor units with its currency, and every sum is exact or refused.

Codes and exponents: `sps.currencies` (ISO 4217 with dates of validity).
Rules: `docs/decisions/0003-money-is-an-integer.md`.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from sps.currencies import currency_of

MINOR_MAX: Final = 2**62
"""Largest absolute amount in minor units; sums beyond it are refused, never wrapped."""

_MINOR: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_DECIMALS: Final = re.compile(r"[0-9]+", re.ASCII)


class MoneyRefused(ValueError):
    """The text or the sum is not an exact amount of a known currency."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Money(Struct, frozen=True, order=False):
    """An exact amount: `minor` in minor units of `currency` (ISO 4217), |minor| <= 2**62."""

    minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        _same_currency(self, other)
        return checked(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        _same_currency(self, other)
        return checked(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)


def checked(minor: int, currency: str) -> Money:
    """Make `Money` of a known currency within bounds; raise `MoneyRefused` otherwise."""
    if not -MINOR_MAX <= minor <= MINOR_MAX:
        raise MoneyRefused("AMOUNT_TOO_LARGE", f"the amount must lie within 2^62 minor units, not {minor}")
    if currency_of(currency) is None:
        raise MoneyRefused("UNKNOWN_CURRENCY", f"{currency!r} is not a code of ISO 4217")
    return Money(minor, currency)


def parse_minor(text: str, currency: str) -> Money:
    """Read minor units from ASCII digits: `"12345"` is 12345 minor units; nothing else is taken."""
    if not _MINOR.fullmatch(text) or text == "-0":
        raise MoneyRefused("MALFORMED_AMOUNT", 'minor units are written as digits, such as "12345"')
    return checked(int(text), currency)


def parse_major(text: str, currency: str) -> Money:
    """Read `"123.45"` in major units; more decimals than the currency has are refused, not rounded."""
    known = currency_of(currency)
    if known is None:
        raise MoneyRefused("UNKNOWN_CURRENCY", f"{currency!r} is not a code of ISO 4217")
    whole, point, decimals = text.partition(".")
    if not _MINOR.fullmatch(whole) or (point and not _DECIMALS.fullmatch(decimals)):
        raise MoneyRefused("MALFORMED_AMOUNT", "an amount is written like 123.45, in ASCII digits")
    if len(decimals) > known.exponent:
        raise MoneyRefused(
            "TOO_MANY_DECIMALS", f"{currency} has {known.exponent} decimals, the amount has {len(decimals)}"
        )
    digits = int(whole.lstrip("-") + decimals.ljust(known.exponent, "0"))
    if digits == 0 and whole.startswith("-"):
        raise MoneyRefused("MALFORMED_AMOUNT", "zero has no sign")
    return checked(-digits if whole.startswith("-") else digits, currency)


def format_major(money: Money) -> str:
    """Write the amount in major units with all of the currency's decimals: `"123.45"`."""
    known = currency_of(money.currency)
    if known is None:
        raise MoneyRefused("UNKNOWN_CURRENCY", f"{money.currency!r} is not a code of ISO 4217")
    digits = str(abs(money.minor)).rjust(known.exponent + 1, "0")
    sign = "-" if money.minor < 0 else ""
    if known.exponent == 0:
        return sign + digits
    return f"{sign}{digits[: -known.exponent]}.{digits[-known.exponent :]}"


def split(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Split `total` minor units by weights, exactly: largest remainder, ties to the earlier weight.

    The order of the weights is part of the terms, so that who gets a tied unit is agreed beforehand.
    """
    whole = sum(weights)
    if total < 0 or whole <= 0 or min(weights) < 0:
        raise MoneyRefused("BAD_SPLIT", "a split needs a total of at least 0 and weights that sum above 0")
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return tuple(parts)


def share_half_even(amount: int, basis_points: int) -> int:
    """`amount` minor units * basis points / 10,000, rounded half to even (`ledger.md` §6, fees)."""
    if not basis_points:
        return 0
    quotient, remainder = divmod(amount * basis_points, 10_000)
    if remainder > 5_000 or (remainder == 5_000 and quotient % 2):  # noqa: PLR2004 half of the divisor
        return quotient + 1
    return quotient


def share_ceil(amount: int, basis_points: int) -> int:
    """`amount` minor units * basis points / 10,000, rounded up (spreads, `ledger.md` P31)."""
    return -(-amount * basis_points // 10_000)


def _same_currency(a: Money, b: Money) -> None:
    if a.currency != b.currency:
        raise MoneyRefused("CURRENCY_MISMATCH", f"{a.currency} and {b.currency} cannot be added")
