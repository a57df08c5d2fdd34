"""What a transaction is about, and the span that caused it, from its own content alone."""

from typing import Final

from sps.tracing import names
from sps.tracing.context import SpanContext
from sps.tracing.stories import Release, Stories, story_of
from sps.transactions.vocabulary import (
    ParcelEvidence,
    PaymentCleared,
    PaymentFailed,
    PaymentPending,
    RefundFailed,
    RefundPaid,
    RequestPayout,
    Transaction,
)

SUBJECTS: Final = ("contract", "payout", "quote", "payment", "document", "sweep")
"""Fields that say what a transaction is about; the first that it has counts."""


def story_of_transaction(transaction: Transaction, stories: Stories) -> str:
    """The story that a transaction belongs to."""
    if isinstance(transaction, RequestPayout):
        known = stories.of(transaction.payout)
        releases = stories.of_seller(transaction.seller)
        return known if known != transaction.payout else story_of(releases) or transaction.payout
    for name in SUBJECTS:
        subject = getattr(transaction, name, "")
        if subject:
            return stories.of(subject)
    return ""


def releases_behind(transaction: Transaction, stories: Stories) -> tuple[Release, ...]:
    """The releases that a wish for a payout takes from."""
    if not isinstance(transaction, RequestPayout):
        return ()
    return stories.behind(transaction.payout) or stories.of_seller(transaction.seller)


def cause_of(transaction: Transaction, trace: bytes) -> SpanContext | None:
    """The span of the same trace that made somebody say it; None: a person or a clock did."""
    match transaction:
        case ParcelEvidence(raw=raw):
            return names.said(trace, raw)
        case PaymentPending() | PaymentCleared() | PaymentFailed():
            return names.paying(trace, transaction.payment)
        case RefundPaid() | RefundFailed():
            return names.taken(trace, transaction.refund)
    order = getattr(transaction, "payout", "")
    return names.taken(trace, order) if order and not isinstance(transaction, RequestPayout) else None
