"""A tiny chain for trying the contract's rules: it keeps what decisions write, and nothing is ever final.

The diagrams of `machines` are made of trials: the real decision is taken, and what it did is drawn.
"""

import hashlib
from typing import Final

from sps.chain.genesis import FxRules
from sps.escrow.change import Change
from sps.escrow.decide import decide, fire
from sps.escrow.state import Contract, Deadline, Payin, Payout, Quote, RateSnapshot, Sweep
from sps.signing import CHAIN_ID_BYTES, Signer
from sps.transactions.codec import decode, encode
from sps.transactions.vocabulary import Transaction

NOW_MS: Final = 1_750_000_000_000
"""A day on which all currencies used here are in use."""

APPROVERS: Final = tuple(Signer(hashlib.sha256(name.encode()).digest()) for name in ("carol", "dave"))
"""The two persons who may take a release back."""


class TrialWorld:
    """The port `ChainView`."""

    def __init__(self) -> None:
        self.chain_id: Final = bytes(CHAIN_ID_BYTES)
        self.approvers: Final = frozenset(signer.public_key.hex() for signer in APPROVERS)
        self.fx: Final = FxRules()
        self.position: Final = "1/0"
        self.contracts: dict[str, Contract] = {}
        self.payouts: dict[str, Payout] = {}
        self.quotes: dict[str, Quote] = {}
        self.tags: dict[str, tuple[str, str]] = {}
        self.payments: dict[str, str] = {}
        self.orphans: dict[str, Payin] = {}
        self.sweeps: dict[str, Sweep] = {}
        self.balances: dict[str, int] = {}
        self.rates: RateSnapshot | None = None

    def copy(self) -> "TrialWorld":
        """The same world, in which something else may happen."""
        other = TrialWorld()
        for name in ("contracts", "payouts", "quotes", "tags", "payments", "orphans", "sweeps", "balances"):
            setattr(other, name, dict(getattr(self, name)))
        other.rates = self.rates
        return other

    def take(self, fact: Transaction, now_ms: int = NOW_MS) -> Change:
        """Decide about a fact as it is read from the wire, and write what follows; raises `Refused`."""
        return self._write(decide(self, decode(encode(fact)), now_ms))

    def let_fire(self, owner: str, deadline: Deadline) -> Change:
        """Let a deadline fire when it is due, and write what follows."""
        return self._write(fire(self, owner, deadline, deadline.due_ms))

    def _write(self, change: Change) -> Change:
        self.contracts.update((contract.id, contract) for contract in change.contracts)
        self.payouts.update((payout.id, payout) for payout in change.payouts)
        self.quotes.update((quote.id, quote) for quote in change.quotes)
        self.tags.update(change.tags)
        self.payments.update(change.payments)
        self.orphans.update((payin.id, payin) for payin in change.orphans)
        self.sweeps.update((sweep.id, sweep) for sweep in change.sweeps)
        self.rates = change.rates or self.rates
        for journal in change.journals:
            for posting in journal.postings:
                account = posting.account
                self.balances[account] = self.balances.get(account, 0) + posting.amount
        return change
