"""What a relay says when traces are on: each transaction on its way to the log, and the batch around it.

The header of a batch's record names a span that follows from the batch's own digest: a repeat has the same
one.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sps.chain.batch import BATCH_HEADER_BYTES, Batch, digest
from sps.eventlog.topics import TRANSACTIONS
from sps.runtime.chain_tracing import ChainTracing, wall_ms
from sps.tracing import names
from sps.tracing.causes import cause_of, releases_behind, story_of_transaction
from sps.tracing.context import Headers, SpanContext, headers_of, trace_of
from sps.tracing.span import Span
from sps.transactions.codec import BadTransaction, decode, transaction_hash

LINKS_MAX: Final = 32
"""Links of one span; a batch of more transactions names the first ones."""
SEALED_MAX: Final = 64
"""Batches that wait for the log's answer; the relay has no more under way."""


class _Sealed(Struct, frozen=True):
    """A batch and what is told once it is on the log."""

    sent: SpanContext
    sealed_ms: int
    spans: tuple[Span, ...]
    count: int


class BatchTracing:
    """One per relay; only made when the tracer is on."""

    def __init__(self, chain: ChainTracing) -> None:
        self._chain: Final = chain
        self._sealed: Final[dict[int, _Sealed]] = {}

    def headers(self, record: bytes) -> Headers:
        """The headers of a batch's record."""
        return headers_of(names.batch(hashlib.sha256(record[:BATCH_HEADER_BYTES]).digest()))

    def sealed(self, batch: Batch, bodies: Sequence[bytes]) -> None:
        """Note a batch of these transactions; told by `appended`."""
        sent, sealed_ms = names.batch(digest(batch.header)), wall_ms()
        spans = [span for raw in bodies if (span := self._transaction(raw, sent, sealed_ms))]
        if spans:
            self._sealed[batch.header.seq] = _Sealed(sent, sealed_ms, tuple(spans), len(bodies))
            while len(self._sealed) > SEALED_MAX:
                del self._sealed[next(iter(self._sealed))]

    def appended(self, numbers: Sequence[int]) -> None:
        """The log has taken the batches with these numbers; a repeat is told once."""
        ended_ms = wall_ms()
        for seq in numbers:
            sealed = self._sealed.pop(seq, None)
            if sealed is not None:
                for span in sealed.spans:
                    self._chain.tracer.record(replace(span, ended_ms=ended_ms))
                self._chain.tracer.record(_carrier(sealed, ended_ms))

    def _transaction(self, raw: bytes, sent: SpanContext, sealed_ms: int) -> Span | None:
        try:
            transaction = decode(raw)
        except BadTransaction:
            return None
        stories = self._chain.stories
        story = story_of_transaction(transaction, stories)
        trace = trace_of(story)
        if not story or not self._chain.tracer.wants(trace):
            return None
        name, kind = transaction_hash(raw).hex(), type(transaction).__struct_config__.tag
        behind = [
            names.receipt(trace_of(each.contract), each.height, each.index)
            for each in releases_behind(transaction, stories)
        ]
        return Span(
            context=names.transaction(trace, name),
            parent=cause_of(transaction, trace),
            name=f"transaction {kind}",
            kind="producer",
            began_ms=sealed_ms,
            ended_ms=sealed_ms,
            links=(sent, *behind),
            attributes={
                names.STORY: story,
                names.KIND: str(kind),
                names.HASH: name,
                names.SYSTEM: names.OUR_SYSTEM,
                names.DESTINATION: TRANSACTIONS,
                names.OPERATION: "send",
            },
        )


def _carrier(sealed: _Sealed, ended_ms: int) -> Span:
    return Span(
        context=sealed.sent,
        name=f"send {TRANSACTIONS}",
        kind="producer",
        began_ms=sealed.sealed_ms,
        ended_ms=ended_ms,
        links=tuple(span.context for span in sealed.spans[:LINKS_MAX]),
        attributes={
            names.SYSTEM: names.OUR_SYSTEM,
            names.DESTINATION: TRANSACTIONS,
            names.OPERATION: "send",
            names.COUNT: sealed.count,
        },
    )
