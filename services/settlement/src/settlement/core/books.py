"""The books of one block: which lines to write and how each touched account moves.

Every journal is checked once more before anything is written (`docs/ledger.md`, I-01, I-02 and I-04).
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from sps.chain.receipt import OK, Receipt
from sps.ledger.book import Breach, check_journal, circle_of
from sps.ledger.journal import Journal


class Entry(Struct, frozen=True):
    """One journal of a block: `n` counts from 0 within the block; `cause` is the receipt's index."""

    n: int
    cause: int
    subject: str
    transaction: str
    journal: Journal


class Movement(Struct, frozen=True):
    """What one block adds to an account, in minor units: debits and credits, both at least 0."""

    debits: int
    credits: int


class OutOfBalance(Exception):
    """Defect: the books would not agree with themselves or with the executed state."""


def entries_of(receipts: Sequence[Receipt]) -> list[Entry]:
    """All journals of a block in order; raises `OutOfBalance` when one breaks a rule."""
    entries: list[Entry] = []
    for receipt in receipts:
        if receipt.code != OK:
            continue
        for journal in receipt.journals:
            _check(receipt, journal)
            entries.append(Entry(len(entries), receipt.index, receipt.subject, receipt.transaction, journal))
    return entries


def _check(receipt: Receipt, journal: Journal) -> None:
    try:
        check_journal(journal)
    except Breach as breach:
        raise OutOfBalance(f"height {receipt.height}, receipt {receipt.index}: {breach}") from breach


def movements_of(entries: Sequence[Entry]) -> dict[str, Movement]:
    """One aggregated movement per touched account, so that a hot account costs one update a block."""
    debits: dict[str, int] = {}
    credits_: dict[str, int] = {}
    for entry in entries:
        for posting in entry.journal.postings:
            side = debits if posting.amount > 0 else credits_
            side[posting.account] = side.get(posting.account, 0) + abs(posting.amount)
    return {
        account: Movement(debits.get(account, 0), credits_.get(account, 0))
        for account in sorted(debits.keys() | credits_.keys())
    }


def sums_of(balances: Iterable[tuple[str, int]]) -> dict[tuple[bool, str], int]:
    """The sum of all balances per circle: (is it memo, currency). All have to be zero (I-04)."""
    sums: dict[tuple[bool, str], int] = {}
    for address, balance in balances:
        circle = circle_of(address)
        sums[circle] = sums.get(circle, 0) + balance
    return sums


def check_books(stored: Mapping[str, int], executed: Mapping[str, int], height: int) -> None:
    """All stored balances against the executed state's; raises `OutOfBalance` naming one account."""
    for address in sorted(stored.keys() | executed.keys()):
        if stored.get(address, 0) != executed.get(address, 0):
            raise OutOfBalance(
                f"{address} at height {height}: the books say {stored.get(address, 0)},"
                f" the chain {executed.get(address, 0)}"
            )
    wrong = {circle: total for circle, total in sums_of(stored.items()).items() if total}
    if wrong:
        raise OutOfBalance(f"at height {height} the books do not sum to zero: {wrong}")
