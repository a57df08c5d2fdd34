"""How amounts, times, durations, rates and accounts read on the pages."""

import hashlib
import io
from datetime import UTC, datetime
from typing import Any, Final

import segno
from markupsafe import Markup

from contract_api.entrypoints.texts import translate
from sps.money import Money, format_major

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
RATE_DIGITS: Final = 8

ACCOUNTS: Final = {
    "1000": "at the provider",
    "1150": "on its way to the bank",
    "2000": "held for the buyer",
    "2020": "surplus of the buyer",
    "2100": "the seller's, free to pay out",
    "2110": "the seller's reserve",
    "2120": "the carrier's",
    "2200": "owed to the buyer",
    "2300": "payout on its way",
    "2310": "refund on its way",
    "2400": "tax",
    "2500": "owner unknown",
    "3000": "our fee",
    "3010": "our conversion share",
    "4000": "provider's fee",
    "5000": "currency position",
    "5100": "our own money",
}
"""Every account of the chart that can stand in a receipt, in words."""

BRANDS: Final = {"alipay": "Alipay", "stripe": "Stripe", "dhl": "DHL", "easypost": "EasyPost"}


def show_money(minor: str | int, currency: str, *, signed: bool = False) -> str:
    """`1,280.00 CNY`, all decimals of the currency."""
    text = format_major(Money(int(minor), currency))
    sign = "-" if text.startswith("-") else "+" if signed else ""
    whole, point, decimals = text.lstrip("-").partition(".")
    return f"{sign}{int(whole):,}{point}{decimals} {currency}"


def show_moment(rfc3339: str) -> str:
    """Date and time to the second, UTC; the live script turns it into the visitor's own time."""
    return datetime.fromisoformat(rfc3339).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show_duration(language: str, milliseconds: int) -> str:
    """Whole days, else hours."""
    days, rest = divmod(milliseconds, DAY_MS)
    if days and not rest:
        return f"{days} {translate(language, 'day' if days == 1 else 'days')}"
    return f"{-(-milliseconds // HOUR_MS)} {translate(language, 'hours')}"


def show_rate(rate: dict[str, str]) -> str:
    """Eight significant digits, for the eye only; the exact ratio is applied."""
    num, den = int(rate["num"]), int(rate["den"])
    scale = 0
    while num * 10 < den * 10**RATE_DIGITS:
        num, scale = num * 10, scale + 1
    digits = str(num // den).rjust(scale + 1, "0")
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits


def show_account(address: str) -> str:
    """What an account is, in words."""
    return ACCOUNTS.get(address.partition("/")[0], address)


def show_brand(name: str) -> str:
    """How a carrier or provider spells itself."""
    return BRANDS.get(name, name.capitalize())


def fingerprint(value: Any) -> str:
    """Tells the live script whether a part of the page changed."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def qr(link: str) -> Markup:
    """The link as an inline SVG."""
    out = io.BytesIO()
    segno.make(link, error="m").save(out, kind="svg", xmldecl=False, svgns=True, scale=4)
    return Markup(out.getvalue().decode())  # noqa: S704 made by segno from a link of ours, no markup in it
