"""What settlement needs of the world."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from settlement.core.rates import RateDocument, Submitted
from sps.chain.state import ChainState
from sps.transactions.vocabulary import LockQuote, PublishRates


class TrialLine(Struct, frozen=True):
    """One account with everything that was ever debited and credited, minor units."""

    address: str
    currency: str
    debits: int
    credits: int

    @property
    def balance(self) -> int:
        return self.debits - self.credits


class BookLine(Struct, frozen=True):
    """One posting with its journal."""

    height: int
    n: int
    kind: str
    subject: str
    address: str
    amount: int


class BookHead(Struct, frozen=True):
    """How far the books are: the newest folded height, and the newest entry's height and block time."""

    height: int
    entry_height: int
    entry_ms: int


class TrialBalance(Struct, frozen=True):
    """Accounts ordered by address, of one moment."""

    head: BookHead
    lines: list[TrialLine]


class Books(Protocol):
    """Questions to the books, each answered from one consistent view."""

    async def trial(self, after: str = "", limit: int | None = None) -> TrialBalance:
        """Accounts behind the address `after`; all of them without a limit."""

    async def journal(self, subject: str | None, limit: int) -> list[BookLine]:
        """The newest lines, oldest first."""

    async def totals(self) -> dict[tuple[str, str], int]:
        """What all accounts sum to, by code and currency, debit positive."""


class ChainView(Protocol):
    """The chain as far as it is folded."""

    @property
    def state(self) -> ChainState:
        """Read only, and not across an `await`."""

    async def caught_up(self) -> None:
        """Return when the end of the chain has been reached once."""


class RateSource(Protocol):
    """Where the reference rates come from."""

    async def fetch(self) -> bytes:
        """Return the raw document; raises a kind of `Trouble` when it cannot be had just now."""

    def read(self, raw: bytes) -> RateDocument:
        """Read a document; raises `BadRates` naming what is wrong."""


class RateRegister(Protocol):
    """Documents that were put on the chain, and what became of them."""

    async def before(self, document: RateDocument) -> tuple[Submitted | None, int]:
        """What became of this document, and how many others of its time there are."""

    async def submit(self, document: RateDocument, raw: bytes, publication: PublishRates) -> None:
        """Keep the document and hand the transaction to the outbox, both or neither."""


class QuoteRegister(Protocol):
    """Requests that wait for a rate."""

    async def waiting(self, snapshot: str, limit: int) -> list[str]:
        """Quotes, oldest first, that got no lock at this snapshot (hex digest of its document)."""

    async def offer(self, snapshot: str, quotes: Sequence[str], locks: Sequence[LockQuote]) -> None:
        """Hand the locks to the outbox and note for all these quotes that this snapshot was tried."""


class StoredOrder(Struct, frozen=True):
    """An order as it was signed in the fold."""

    seq: int
    id: str
    body: bytes


class OrderRegister(Protocol):
    """Orders in the sequence in which the chain decided them."""

    async def unpublished(self, limit: int) -> list[StoredOrder]:
        """The oldest that are not known to be published."""

    async def mark(self, orders: Sequence[StoredOrder]) -> None:
        """They are on the log."""

    async def reopen(self, orders: Sequence[str]) -> int:
        """These may be on no log any more; returns how many were thought to be."""
