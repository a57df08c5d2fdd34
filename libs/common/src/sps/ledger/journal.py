"""A journal is immutable and balanced by construction; a correction is a new journal.

Account address: `code/owner…/currency`, one currency per account (`docs/ledger.md`, chart of accounts).
Amounts: signed integers of minor units, debit positive, credit negative.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

BALANCE_MAX: Final = 2**62
POSTINGS_MAX: Final = 256


class Posting(Struct, frozen=True, array_like=True, gc=False):
    """One line: `amount` minor units on `account`; debit positive, credit negative, never zero."""

    account: str
    amount: int

    @property
    def currency(self) -> str:
        return self.account.rpartition("/")[2]


class Journal(Struct, frozen=True, gc=False):
    """One balanced entry. `kind` is the row of the posting table, such as `P20`."""

    kind: str
    postings: tuple[Posting, ...]
    reverses: str = ""
    """For a correction: `height/index/kind` of the journal it mirrors."""


class Unbalanced(Exception):
    """Defect: postings that do not sum to zero per currency."""


def journal(kind: str, lines: Iterable[tuple[str, int]], reverses: str = "") -> Journal:
    """Build a journal from (account, amount) lines; zero lines are left out, imbalance is a defect (I-01)."""
    postings = tuple(Posting(account, amount) for account, amount in lines if amount)
    sums: dict[tuple[bool, str], int] = {}
    for posting in postings:
        circle = (posting.account[0] == "9", posting.currency)
        sums[circle] = sums.get(circle, 0) + posting.amount
    if any(sums.values()) or not 2 <= len(postings) <= POSTINGS_MAX:  # noqa: PLR2004 two sides
        raise Unbalanced(f"{kind}: {postings}")
    return Journal(kind, postings, reverses)
