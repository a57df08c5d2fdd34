"""Every name in a trace, in one place: attributes, and the words that span identifiers follow from.

The messaging attributes of OpenTelemetry are not settled (semantic conventions, status Development); when
they are renamed again, they are renamed here. No attribute holds a secret or a person: an account, an
address, a tracking number, a name.
"""

from typing import Final

from sps.tracing.context import SpanContext, span_of, trace_of

# OpenTelemetry's own
SYSTEM: Final = "messaging.system"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"
OPERATION: Final = "messaging.operation.type"
COUNT: Final = "messaging.batch.message_count"
OUR_SYSTEM: Final = "sps.eventlog"

# ours
STORY: Final = "sps.story"
"""The identifier whose trace it is: of a contract, or of a payout or quote of its own."""
SUBJECT: Final = "sps.subject"
"""What exactly it was about: a contract, payout, quote or payment."""
HEIGHT: Final = "sps.height"
INDEX: Final = "sps.index"
CODE: Final = "sps.code"
RULES: Final = "sps.rules"
KIND: Final = "sps.kind"
HASH: Final = "sps.transaction"
JOURNALS: Final = "sps.journals"
CARRIER: Final = "sps.carrier"
PROVIDER: Final = "sps.provider"
ORIGIN: Final = "sps.origin"
FACTS: Final = "sps.facts"
ORDER: Final = "sps.order"
STEP: Final = "sps.step"
ATTEMPT: Final = "sps.attempt"
BATCH: Final = "sps.batch"
BLOCK: Final = "sps.block"
PROPOSER: Final = "sps.proposer"

ATTRIBUTES: Final = frozenset(
    {
        SYSTEM, DESTINATION, PARTITION, OPERATION, COUNT, STORY, SUBJECT, HEIGHT, INDEX, CODE, RULES, KIND,
        HASH, JOURNALS, CARRIER, PROVIDER, ORIGIN, FACTS, ORDER, STEP, ATTEMPT, BATCH, BLOCK, PROPOSER,
    }
)  # fmt: skip
"""No span has any other."""


def said(trace: bytes, raw: str) -> SpanContext:
    """A message from outside, by the hex SHA-256 of its bytes."""
    return span_of(trace, "said", raw)


def paying(trace: bytes, payment: str) -> SpanContext:
    """A buyer's payment, from the pay page to the provider's word."""
    return span_of(trace, "payment", payment)


def transaction(trace: bytes, name: str) -> SpanContext:
    """A transaction by its hex hash, from the outbox to the log."""
    return span_of(trace, "transaction", name)


def receipt(trace: bytes, height: int, index: int) -> SpanContext:
    """What a block did, by the place of its receipt."""
    return span_of(trace, "receipt", str(height), str(index))


def projected(trace: bytes, service: str, height: int, index: int) -> SpanContext:
    """A receipt in a service's own tables."""
    return span_of(trace, "projected", service, str(height), str(index))


def ordered(trace: bytes, order: str) -> SpanContext:
    """An order on its way to the payment gateway."""
    return span_of(trace, "ordered", order)


def taken(trace: bytes, order: str) -> SpanContext:
    """The same order, taken by the gateway."""
    return span_of(trace, "taken", order)


def batch(digest: bytes) -> SpanContext:
    """A batch on the log, in a trace of its own: it holds transactions of many stories."""
    return span_of(trace_of(f"batch|{digest.hex()}"), "sent")


def block(block_id: bytes) -> SpanContext:
    """A block, in a trace of its own."""
    return span_of(trace_of(f"block|{block_id.hex()}"), "block")
