"""The stupid twin of every ledger: it applies journals one by one and checks the invariants after each.

`docs/ledger.md`, invariants I-01 to I-05. It keeps every journal, so that balances can be recomputed from
nothing; it is for tests and audits of bounded histories, never for the hot path.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from sps.currencies import currency_of
from sps.ledger.accounts import GUARDS, Guard, guard_of
from sps.ledger.journal import BALANCE_MAX, POSTINGS_MAX, Journal, Posting

POSTINGS_MIN: Final = 2


class Breach(Exception):
    """A journal breaks an invariant; `rule` is its number in the ledger's list. The book is unchanged."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


class Total(Struct, frozen=True):
    """One line of the trial balance, minor units: debits and credits ever, both at least 0."""

    debits: int = 0
    credits: int = 0

    @property
    def balance(self) -> int:
        return self.debits - self.credits

    def plus(self, amount: int) -> "Total":
        """The total after one posting of `amount`, debit positive."""
        return Total(self.debits + max(amount, 0), self.credits + max(-amount, 0))


class Book:
    """Accounts and the journals that made them; a journal is taken as a whole or refused as a whole."""

    def __init__(self, journals: Iterable[Journal] = ()) -> None:
        self.journals: list[Journal] = []
        self.alarms: list[str] = []
        """Accounts whose balance has a sign that asks for a look, in the order in which it happened."""
        self._totals: dict[str, Total] = {}
        for journal in journals:
            self.apply(journal)

    def apply(self, journal: Journal) -> None:
        """Take one journal, or raise `Breach` and change nothing."""
        check_journal(journal)
        touched: dict[str, Total] = {}
        for account, amount in ((posting.account, posting.amount) for posting in journal.postings):
            touched[account] = touched.get(account, self._totals.get(account, Total())).plus(amount)
        alarms = [account for account, total in touched.items() if _breaks_guard(account, total.balance)]
        self._totals |= touched
        self.alarms += alarms
        self.journals.append(journal)

    def balance(self, account: str) -> int:
        """The balance in minor units, debit positive; 0 for an account that was never used."""
        return self._totals.get(account, Total()).balance

    def balances(self) -> dict[str, int]:
        """All balances that are not zero."""
        return {account: total.balance for account, total in sorted(self._totals.items()) if total.balance}

    def trial_balance(self) -> dict[str, Total]:
        """Every account ever used with its debits and credits, by address."""
        return dict(sorted(self._totals.items()))

    def check(self) -> None:
        """Recompute everything from the journals (I-03) and check that each circle sums to zero (I-04)."""
        again: dict[str, Total] = {}
        for posting in (posting for journal in self.journals for posting in journal.postings):
            again[posting.account] = again.get(posting.account, Total()).plus(posting.amount)
        if again != self._totals:
            raise Breach("I-03", "the balances are not those of the journals")
        sums: Counter[tuple[bool, str]] = Counter()
        for account, total in again.items():
            sums[circle_of(account)] += total.balance
        if any(sums.values()):
            raise Breach("I-04", f"the book does not sum to zero: {dict(sums)}")


def circle_of(account: str) -> tuple[bool, str]:
    """(is it memo, currency): sums are zero within each circle."""
    return account.startswith("9"), account.rpartition("/")[2]


def check_journal(journal: Journal) -> None:
    """Check what one journal must fulfil alone: I-01, I-02 and the memo rule of I-04."""
    if not POSTINGS_MIN <= len(journal.postings) <= POSTINGS_MAX:
        raise Breach("I-01", f"{journal.kind} has {len(journal.postings)} postings")
    sums: Counter[tuple[bool, str]] = Counter()
    for posting in journal.postings:
        _check_posting(journal.kind, posting)
        sums[circle_of(posting.account)] += posting.amount
    if any(sums.values()):
        raise Breach("I-01", f"{journal.kind} does not sum to zero: {dict(sums)}")
    if len({memo for memo, _ in sums}) > 1:
        raise Breach("I-04", f"{journal.kind} mixes memo and real accounts")


def _check_posting(kind: str, posting: Posting) -> None:
    if posting.amount == 0:
        raise Breach("I-01", f"{kind} has a posting of zero on {posting.account}")
    code, *owner = posting.account.split("/")
    known = code in GUARDS and len(owner) > 0 and all(owner)
    if not known or currency_of(owner[-1]) is None:
        raise Breach("I-02", f"{kind}: {posting.account!r} is no account of the chart in a known currency")


def _breaks_guard(account: str, balance: int) -> bool:
    """Tell whether the balance asks for an alarm; raise `Breach` when it may not be at all (I-05)."""
    if abs(balance) > BALANCE_MAX:
        raise Breach("I-05", f"{account} is beyond 2^62: {balance}")
    match guard_of(account):
        case Guard.ANY:
            return False
        case Guard.NEGATIVE_IS_ALARM:
            return balance < 0
        case Guard.NEVER_NEGATIVE:
            broken = balance < 0
        case Guard.NEVER_POSITIVE:
            broken = balance > 0
    if broken:
        raise Breach("I-05", f"{account} has the wrong sign: {balance}")
    return False
