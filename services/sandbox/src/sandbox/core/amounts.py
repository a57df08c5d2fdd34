"""Amounts as people and Alipay read them. Exact; no floating point anywhere."""

import re
from typing import Final

from sps.currencies import currency_of

_YUAN: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?", re.ASCII)
_SIGNS: Final = {"CNY": "¥", "EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def yuan(fen: int) -> str:
    """`88.88`: fen as Alipay writes them."""
    return f"{fen // 100}.{fen % 100:02d}"


def fen(text: str) -> int:
    """Read `88.88`; `ValueError` for anything that is not a positive amount with at most two decimals."""
    match = _YUAN.fullmatch(text)
    value = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else 0
    if value <= 0:
        raise ValueError("an amount in yuan is positive and has at most two decimals")
    return value


def shown(minor: int, currency: str) -> str:
    """`¥ 1,280.00`, `1,280 ISK`: for people."""
    known = currency_of(currency)
    exponent = known.exponent if known else 2
    whole, rest = divmod(abs(minor), int(10**exponent))
    decimals = f".{rest:0{exponent}d}" if exponent else ""
    number = f"{'-' if minor < 0 else ''}{whole:,}{decimals}"
    sign = _SIGNS.get(currency)
    return f"{sign} {number}" if sign else f"{number} {currency}"


def fee_of(minor: int, basis_points: int) -> int:
    """A provider's fee, rounded up to a whole minor unit."""
    return -(-minor * basis_points // 10_000)
