"""The outcome of one decision, and the draft of a contract in which its rules are applied one by one.

A draft lives inside one call of `decide` or `fire` only; outside, a decision is a pure function.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sps.escrow import clocks
from sps.escrow.header import is_done, is_settled
from sps.escrow.state import Contract, Payin, Payout, Quote, RateSnapshot, Sweep
from sps.escrow.view import ChainView
from sps.ledger import postings
from sps.ledger.journal import Journal


class Change(Struct, frozen=True, gc=False):
    """All that one accepted fact or due deadline writes. `subject` is what the receipt is about."""

    subject: str
    rules: tuple[str, ...]
    contracts: tuple[Contract, ...] = ()
    journals: tuple[Journal, ...] = ()
    payouts: tuple[Payout, ...] = ()
    quotes: tuple[Quote, ...] = ()
    tags: tuple[tuple[str, tuple[str, str]], ...] = ()
    payments: tuple[tuple[str, str], ...] = ()
    orphans: tuple[Payin, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    rates: RateSnapshot | None = None


class Draft:
    """A contract while the rules of one event are applied to it."""

    __slots__ = ("contract", "journals", "now_ms", "payments", "payouts", "rules", "tags", "version", "view")

    def __init__(self, view: ChainView, contract: Contract, now_ms: int) -> None:
        self.view = view
        self.contract = contract
        self.version = contract.version + 1
        self.now_ms = now_ms
        self.rules: list[str] = []
        self.journals: list[Journal] = []
        self.payouts: list[Payout] = []
        self.tags: list[tuple[str, tuple[str, str]]] = []
        self.payments: list[tuple[str, str]] = []

    def put(self, **fields: Any) -> None:
        """Replace fields of the contract; whatever is replaced belongs to the next version."""
        self.contract = replace(self.contract, version=self.version, **fields)

    def rule(self, row: str) -> None:
        """Note a row of the tables that fired, each once."""
        if row not in self.rules:
            self.rules.append(row)

    def arm(self, kind: str, due_ms: int, subject: str = "") -> None:
        """Start a clock, or start it again."""
        self.put(deadlines=clocks.armed(self.contract.deadlines, due_ms, kind, subject))

    def disarm(self, *kinds: str) -> None:
        """Stop all clocks of these kinds."""
        self.put(deadlines=clocks.without_kinds(self.contract.deadlines, kinds))

    def disarm_one(self, kind: str, subject: str) -> None:
        """Stop one clock."""
        self.put(deadlines=clocks.without_one(self.contract.deadlines, kind, subject))

    def finish(self) -> Change:
        """Close what is done, and state the outcome."""
        if is_settled(self.contract):
            self._settle()
        if self.contract.version != self.version:
            self.put()
        contract = self.contract
        return Change(
            contract.id,
            tuple(self.rules),
            (contract,),
            tuple(self.journals),
            tuple(self.payouts),
            (),
            tuple(self.tags),
            tuple(self.payments),
        )

    def _settle(self) -> None:
        """All is decided: stop the clocks, take down the memos, and close when nothing is under way."""
        if self.contract.due:
            contract = self.contract
            self.journals.append(postings.p01_mirror(contract.id, contract.terms.currency, contract.due))
            self.put(due=0)
        waiting = [(payin.id, payin.expected) for payin in self.contract.payins if payin.expected]
        if waiting:
            self._end_attempts(waiting)
        contract = self.contract
        closes = not contract.closed_ms and is_done(contract)
        if closes or contract.deadlines:
            self.put(
                deadlines=clocks.outliving(contract.deadlines),
                closed_ms=self.now_ms if closes else contract.closed_ms,
            )

    def _end_attempts(self, waiting: Sequence[tuple[str, int]]) -> None:
        """Take down the memos of payments that are still under way when nothing is expected any more."""
        contract = self.contract
        self.journals.append(postings.p02_mirror(waiting, contract.terms.currency))
        self.put(payins=tuple(replace(payin, expected=0) for payin in contract.payins))
