"""The books of the providers: what they hold for the platform, and how it came to be so.

Rule: balance = opening + paid in + returned - refunded - paid out - fees, at every moment and per currency.
"""

from collections.abc import Iterable
from typing import Final

from sandbox.core.records import Account, Entry

INCOMING: Final = frozenset({"opening", "paid_in", "returned"})
OUTGOING: Final = frozenset({"refunded", "paid_out", "fees"})
KINDS: Final = ("opening", "paid_in", "refunded", "paid_out", "returned", "fees")


class BooksDoNotSum(Exception):
    """A balance differs from the lines that made it: a defect of the sandbox."""


def signed_minor(kind: str, minor: int) -> int:
    """What a line does to the balance."""
    if kind not in INCOMING | OUTGOING or minor < 0:
        raise ValueError(f"no line of the books: {kind} {minor}")
    return minor if kind in INCOMING else -minor


def books(entries: Iterable[Entry], accounts: Iterable[Account]) -> dict[str, dict[str, dict[str, int]]]:
    """Totals per provider and currency; raises `BooksDoNotSum` when a balance is not their sum."""
    totals: dict[str, dict[str, dict[str, int]]] = {}
    for entry in entries:
        lines = _lines(totals, entry.provider, entry.currency)
        lines[entry.kind] += entry.minor
        lines["balance"] += signed_minor(entry.kind, entry.minor)
    for account in accounts:
        lines = _lines(totals, account.provider, account.currency)
        if lines["balance"] != account.balance:
            raise BooksDoNotSum(
                f"{account.provider} {account.currency}: {lines['balance']} {account.balance}"
            )
    return totals


def _lines(totals: dict[str, dict[str, dict[str, int]]], provider: str, currency: str) -> dict[str, int]:
    empty = dict.fromkeys((*KINDS, "balance"), 0)
    return totals.setdefault(provider, {}).setdefault(currency, empty)
