"""What a checked proof says: the contract, every step, and the money that moved. Minor units throughout."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from sps.ledger.journal import Journal
from sps.transactions.terms import Terms

HELD: Final = "2000"
REFUND_DUE: Final = "2310/"
AT_PROVIDER: Final = "1000/"

RECEIVING: Final = frozenset({"P03", "P05", "P06", "P08", "P09", "P10", "P11"})
"""Postings of money that a provider received for the contract."""
RELEASING: Final = frozenset({"P20", "P21", "P22", "P24"})
"""Postings out of the held money to the seller's side; P24 takes one back."""
REFUNDING: Final = frozenset({"P40", "P42"})
"""Postings that order money back to a payer; P42 is an order that failed."""


class ProvenEvent(Struct, frozen=True):
    """One accepted step. `time_ms` is block time, `producer` the service that vouched for it."""

    height: int
    index: int
    time_ms: int
    kind: str
    code: str
    version: int
    state: str
    """Hex SHA-256 of the contract's encoded value after the step."""
    transaction: str
    """Hex hash; empty for a deadline."""
    producer: str
    """Name of the registered service; empty for a deadline."""
    rules: tuple[str, ...]
    journals: tuple[Journal, ...]


class Amounts(Struct, frozen=True):
    """The contract's money in one currency, minor units: what came, what went, what is still held."""

    currency: str
    received: int
    released: int
    refunded: int
    held: int


class ProofReport(Struct, frozen=True):
    """Everything that the file proves."""

    contract: str
    network: str
    chain_id: str
    seller: str
    terms: Terms
    terms_hash: str
    accepted: bool
    """The buyer's signature over the same terms was found and is good."""
    version: int
    events: tuple[ProvenEvent, ...]
    amounts: tuple[Amounts, ...]
    signatures: tuple[str, ...]
    """One sentence per signature or certificate that was checked."""
    highest_height: int
    highest_time_ms: int


def amounts(contract: str, events: Iterable[ProvenEvent]) -> tuple[Amounts, ...]:
    """Sum the contract's movements per currency."""
    journals = [journal for event in events for journal in event.journals]
    currencies = sorted({posting.currency for journal in journals for posting in journal.postings})
    found = (_amounts(contract, currency, journals) for currency in currencies)
    return tuple(sums for sums in found if sums != Amounts(sums.currency, 0, 0, 0, 0))


def _amounts(contract: str, currency: str, journals: list[Journal]) -> Amounts:
    received = released = refunded = held = 0
    lines = (
        (journal.kind, posting.account, posting.amount)
        for journal in journals
        for posting in journal.postings
        if posting.currency == currency
    )
    for kind, account, amount in lines:
        in_escrow = account.startswith(f"{HELD}/{contract}/")
        received += amount if kind in RECEIVING and account.startswith(AT_PROVIDER) else 0
        released += amount if kind in RELEASING and in_escrow else 0
        refunded -= amount if kind in REFUNDING and account.startswith(REFUND_DUE) else 0
        held -= amount if in_escrow else 0
    return Amounts(currency, received, released, refunded, held)
