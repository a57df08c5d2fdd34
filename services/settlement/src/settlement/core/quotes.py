"""Which quotes to lock, at which rate: the newest cross rate, our spread in the open.

The chain checks the lock against the same snapshot with the same formula, so this only proposes. A request
without a fresh snapshot waits for the next one, or for the end of its own life on the chain.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from settlement.core.rates import good_until_ms
from sps import identifiers
from sps.chain.receipt import OK, Receipt
from sps.chain.state import ChainState
from sps.escrow.conversion import rate_for
from sps.escrow.refusals import Refused
from sps.escrow.state import RateSnapshot
from sps.ledger.fx import RateRefused
from sps.transactions.vocabulary import LockQuote

_REQUEST: Final = "quote.request.v1"
_LOCK: Final = "quote.lock.v1"
_ACCEPT: Final = "quote.accept.v1"
_EXPIRY: Final = "deadline.quote"
_LATE: Final = "QUOTE_LIFE"
"""The lock was ordered so late that its own end had passed: another one with a new end may be offered."""


class QuotePolicy(Struct, frozen=True):
    """Our price: `spread_bp` basis points of the source amount; the lock lives `life_ms` of block time."""

    spread_bp: int
    life_ms: int


class QuoteNews(Struct, frozen=True):
    """What a block did to quotes, by identifier."""

    requested: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """Locks that the chain did not take."""
    late: tuple[str, ...] = ()
    """Those of the refused for which another lock may be offered."""

    @property
    def over(self) -> tuple[str, ...]:
        """Quotes that wait for a rate no more."""
        return self.locked + self.expired


def news_of(receipts: Sequence[Receipt]) -> QuoteNews:
    """Read the receipts of a block."""
    return QuoteNews(
        requested=_subjects(receipts, _REQUEST),
        locked=_subjects(receipts, _LOCK),
        used=_subjects(receipts, _ACCEPT),
        expired=_subjects(receipts, _EXPIRY),
        refused=tuple(each.subject for each in receipts if each.kind == _LOCK and each.code != OK),
        late=tuple(each.subject for each in receipts if each.kind == _LOCK and each.code == _LATE),
    )


def _subjects(receipts: Sequence[Receipt], kind: str) -> tuple[str, ...]:
    return tuple(receipt.subject for receipt in receipts if receipt.kind == kind and receipt.code == OK)


def usable(state: ChainState) -> RateSnapshot | None:
    """The newest snapshot while locks may be made of it: within the network's age and within our own."""
    rates = state.rates
    if rates is None:
        return None
    end_ms = min(rates.as_of_ms + state.fx.max_rate_age_ms, good_until_ms(rates.as_of_ms))
    return rates if state.time_ms <= end_ms else None


def lock(quote_id: str, state: ChainState, policy: QuotePolicy) -> LockQuote | None:
    """The lock for one requested quote; None when it is not open or the snapshot does not serve it.

    Its identifier follows from all that it says, so that the same lock is the same fact.
    """
    quote, rates = state.quotes.get(quote_id), usable(state)
    if quote is None or quote.state != "requested" or rates is None or state.time_ms >= quote.expires_ms:
        return None
    try:
        num, den = rate_for(rates, quote.source, quote.target)
    except (Refused, RateRefused):
        return None
    expires_ms = state.time_ms + policy.life_ms
    said = f"lock|{quote_id}|{rates.document}|{num}|{den}|{policy.spread_bp}|{expires_ms}"
    event = identifiers.derived(identifiers.EVENT, hashlib.sha256(said.encode()).digest())
    return LockQuote(event, quote_id, rates.document, str(num), str(den), policy.spread_bp, expires_ms)
