"""`sps books`: trial balance and journal, read from settlement's database wherever that is."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from settlement.adapters.books import BookReader
from settlement.application.ports import BookHead, BookLine, TrialBalance, TrialLine
from settlement.core.books import sums_of
from sps.money import Money, format_major
from sps.runtime.database import Database
from sps.runtime.errors import Refusal, is_trouble
from sps_cli.state_folder import StateFolder
from sps_cli.wiring import backends_of

UNBALANCED: Final = 1
MEMO: Final = "9"
"""Accounts of the 9xxx circle are not money; the table leaves them out, the sums do not."""
MS_PER_S: Final = 1000


def show(state: Path, *, journal: bool, subject: str, limit: int, as_json: bool) -> int:
    """Print; the exit code is 1 when a currency does not sum to zero."""
    folder = StateFolder(state)
    if not (folder.servers or (folder.path / "db" / "settlement.sqlite").exists()):
        raise Refusal("NO_BOOKS", f"there are no books in {folder.path}; run sps up first")
    return asyncio.run(_show(folder, journal=journal, subject=subject, limit=limit, as_json=as_json))


async def _show(folder: StateFolder, *, journal: bool, subject: str, limit: int, as_json: bool) -> int:
    database = Database(backends_of(folder).database("settlement"))
    try:
        reader = BookReader(database)
        if journal:
            return _tell_journal(await reader.head(), await reader.journal(subject or None, limit), as_json)
        return _tell_trial(await reader.trial(), as_json)
    except Exception as error:
        if not is_trouble(error):
            raise
        raise Refusal("NO_BOOKS", f"settlement's database does not answer: {error}") from error
    finally:
        await database.stop()


def _tell_journal(head: BookHead, lines: list[BookLine], as_json: bool) -> int:
    if as_json:
        _print_json(_head(head) | {"lines": [_line(each) for each in lines]})
    else:
        _print(head, journal_table(lines))
    return 0


def _tell_trial(trial: TrialBalance, as_json: bool) -> int:
    totals = sums(trial.lines)
    if as_json:
        _print_json(
            _head(trial.head)
            | {
                "balanced": not any(totals.values()),
                "sums": [
                    {"circle": "memo" if memo else "money", "currency": currency, "minor": str(total)}
                    for (memo, currency), total in sorted(totals.items())
                ],
                "accounts": [_account(each) for each in trial.lines],
            }
        )
    else:
        _print(trial.head, trial_table(trial.lines))
    return UNBALANCED if any(totals.values()) else 0


def sums(trial: list[TrialLine]) -> dict[tuple[bool, str], int]:
    """The sum of all balances per (is it memo, currency); all must be zero."""
    return sums_of((line.address, line.balance) for line in trial)


def headline(head: BookHead) -> str:
    """How far the books are, in one line."""
    if not head.height and not head.entry_ms:
        return "no block is folded yet"
    entry = f"newest entry in block {head.entry_height}" if head.entry_height else "opening entries only"
    return f"books at height {head.height}; {entry}, block time {_time(head.entry_ms)}"


def trial_table(trial: list[TrialLine]) -> Table:
    """Every account that has moved, and per currency the proof that all sum to zero."""
    table = Table(title="Trial balance")
    table.add_column("account", overflow="fold")
    for name in ("debits", "credits", "balance"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in trial:
        if not line.address.startswith(MEMO):
            amounts = (line.debits, line.credits, line.balance)
            table.add_row(line.address, *(_shown(each, line.currency) for each in amounts))
    for (memo, currency), total in sorted(sums(trial).items()):
        if total or not memo:
            name = f"sum {currency}{' (memo)' if memo else ''}"
            style = "bold red" if total else "bold"
            table.add_row(name, "", "", _shown(total, currency), style=style)
    return table


def journal_table(lines: list[BookLine]) -> Table:
    """One line a posting; debit positive."""
    table = Table(title="Journal")
    table.add_column("height", justify="right", no_wrap=True)
    table.add_column("row", no_wrap=True)
    table.add_column("subject", overflow="fold")
    table.add_column("account", overflow="fold")
    table.add_column("amount", justify="right", no_wrap=True)
    for line in lines:
        currency = line.address.rpartition("/")[2]
        table.add_row(str(line.height), line.kind, line.subject, line.address, _shown(line.amount, currency))
    return table


def _print(head: BookHead, table: Table) -> None:
    console = Console(highlight=False)
    console.print(headline(head), soft_wrap=True)
    console.print(table)


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value))


def _head(head: BookHead) -> dict[str, Any]:
    return {"height": head.height, "entry_height": head.entry_height, "entry_ms": head.entry_ms}


def _line(line: BookLine) -> dict[str, Any]:
    return {
        "height": line.height,
        "n": line.n,
        "row": line.kind,
        "subject": line.subject,
        "account": line.address,
        "minor": str(line.amount),
    }


def _account(line: TrialLine) -> dict[str, str]:
    return {
        "account": line.address,
        "currency": line.currency,
        "debits": str(line.debits),
        "credits": str(line.credits),
        "balance": str(line.balance),
    }


def _shown(minor: int, currency: str) -> str:
    return f"{format_major(Money(minor, currency))} {currency}"


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms // MS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
