"""Do our books and the providers' books say the same, to the unit? Asked at the end of every story."""

from collections.abc import Mapping
from typing import Any, Final

from settlement.application.ports import TrialLine
from sps_cli.books import sums

AT_PROVIDER: Final = "1000/"
BETWEEN: Final = ("2300/", "2310/", "2500/")
"""In transit to somebody, or of an unknown owner: nothing may be left there once everything has ended."""


def disagreements(trial: list[TrialLine], provider_books: Mapping[str, Any]) -> list[str]:
    """Every difference in one sentence; nothing when all agree."""
    totals = sorted(sums(trial).items())
    found = [f"{currency}: our books sum to {total}" for (_, currency), total in totals if total]
    ours = {
        (line.address.split("/")[1], line.currency): line.balance
        for line in trial
        if line.address.startswith(AT_PROVIDER)
    }
    theirs = {
        (provider, currency): int(line["balance"])
        for provider, currencies in provider_books.items()
        if isinstance(currencies, dict)
        for currency, line in currencies.items()
    }
    found += [
        f"{place[0]} {place[1]}: we have {ours.get(place, 0)}, the provider {theirs.get(place, 0)}"
        for place in sorted(ours.keys() | theirs.keys())
        if ours.get(place, 0) != theirs.get(place, 0)
    ]
    return found + _stuck(trial)


def _stuck(trial: list[TrialLine]) -> list[str]:
    return [
        f"{line.address}: {line.balance} is stuck"
        for line in trial
        if line.address.startswith(BETWEEN) and line.balance
    ]
