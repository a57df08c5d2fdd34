"""What a rate document says, as exact ratios, and whether it may be published.

A rate is the published pair and never an inverse of rounded digits (`docs/ledger.md`, conversion).
"""

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from sps import identifiers
from sps.chain.genesis import FxRules
from sps.chain.receipt import OK, Receipt
from sps.currencies import currency_of
from sps.escrow.clocks import QUOTE_LOCK_MS_MAX
from sps.escrow.refusals import DUPLICATE
from sps.escrow.state import RateSnapshot
from sps.transactions.vocabulary import PublishRates, Rate

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
DAILY_AGE_MS: Final = 30 * HOUR_MS
"""How long a daily reference rate serves for new locks."""
WEEK_DAYS: Final = 7
EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""
FRIDAY: Final = 4
SUNDAY: Final = 6

TRIES_MAX: Final = 3
"""How often one document is put on the chain; again only after a refusal that time has healed."""
DOCUMENTS_A_DAY_MAX: Final = 3
"""Different documents of one publication time that are tried; a source that wavers is not followed."""

OPEN: Final = ""
"""The verdict of a submission that no block has answered yet."""
JUMP: Final = "JUMP_NEEDS_APPROVAL"
_PUBLISH: Final = "rates.publish.v1"

Advice = Literal["submit", "known", "open", "early", "old", "not_newer", "refused", "wavering"]
"""What to do with a document: put it on the chain, or why not."""


class BadRates(ValueError):
    """The document is not one that rates may be taken from."""


class PublishedRate(Struct, frozen=True):
    """One unit of the base = num/den units of `currency`, in lowest terms."""

    currency: str
    num: int
    den: int


class RateDocument(Struct, frozen=True):
    """One published document: SHA-256 of its bytes, its own time, its rates in the order published."""

    source: str
    base: str
    as_of_ms: int
    digest: bytes
    rates: tuple[PublishedRate, ...]


class Submitted(Struct, frozen=True):
    """What became of a document so far: how often it was tried, and the chain's last word (a code)."""

    tries: int
    verdict: str


def good_until_ms(as_of_ms: int) -> int:
    """How long rates of this time serve for new locks: 30 hours, and over a weekend 78.

    On other holidays of the source there are no new locks; nobody gets an old rate.
    """
    weekday = (as_of_ms // DAY_MS + EPOCH_WEEKDAY) % WEEK_DAYS
    idle_days = SUNDAY - weekday if weekday >= FRIDAY else 0
    return as_of_ms + DAILY_AGE_MS + idle_days * DAY_MS


def advice(
    document: RateDocument,
    before: Submitted | None,
    same_time: int,
    chain: RateSnapshot | None,
    rules: FxRules,
    now_ms: int,
) -> Advice:
    """Whether to put a document on the chain; `same_time` counts other documents tried for its time.

    What the chain would refuse by its plain rules is not sent. A jump is sent once, so that the refusal is
    on record, and again when the chain's own rates are too old to be a measure of a jump.
    """
    if before is not None and before.verdict == OPEN:
        return "open"
    known = _refusable(document, chain, rules, now_ms)
    if known is not None:
        return known
    if before is None:
        return "submit" if same_time < DOCUMENTS_A_DAY_MAX else "wavering"
    healed = chain is None or now_ms - chain.as_of_ms > rules.max_rate_age_ms
    return "submit" if before.verdict == JUMP and healed and before.tries < TRIES_MAX else "refused"


def _refusable(
    document: RateDocument, chain: RateSnapshot | None, rules: FxRules, now_ms: int
) -> Advice | None:
    """Why the chain would not take it now, as far as can be told from here."""
    if chain is not None and chain.document == document.digest.hex():
        return "known"
    if document.as_of_ms > now_ms + QUOTE_LOCK_MS_MAX:
        return "early"
    if now_ms - document.as_of_ms > rules.max_rate_age_ms:
        return "old"
    return "not_newer" if chain is not None and document.as_of_ms <= chain.as_of_ms else None


def publication(document: RateDocument, number: int) -> PublishRates:
    """The transaction of the `number`th try, from 1; currencies that we do not know are left out.

    The same try of the same document is the same fact. Raises `BadRates` when nothing is left.
    """
    rates = tuple(
        Rate(rate.currency, str(rate.num), str(rate.den))
        for rate in document.rates
        if currency_of(rate.currency) is not None
    )
    if not rates:
        raise BadRates("no currency of the document is known")
    named = hashlib.sha256(b"rates|" + document.digest + b"|%d" % number).digest()
    event = identifiers.derived(identifiers.EVENT, named)
    return PublishRates(
        event, document.source, document.base, document.as_of_ms, document.digest.hex(), rates
    )


class Verdict(Struct, frozen=True):
    """The chain's word on one submission: the transaction's hash in hex and the code."""

    transaction: str
    code: str


def verdicts_of(receipts: Sequence[Receipt]) -> list[Verdict]:
    """The answers of a block to submissions; a repeat of what the chain knows is as good as taken."""
    return [
        Verdict(receipt.transaction, OK if receipt.code == DUPLICATE else receipt.code)
        for receipt in receipts
        if receipt.kind == _PUBLISH
    ]
