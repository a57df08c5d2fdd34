"""What a validator says when traces are on: batches that it stored, and the blocks that it proposed itself.

Each block has one proposer, so each receipt is told once, by the validator that put it there.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from sps.chain.batch import BATCH_HEADER_BYTES
from sps.chain.block import Committed
from sps.chain.header import block_id, block_id_of
from sps.chain.receipt import Receipt
from sps.eventlog.port import Record
from sps.runtime.chain_tracing import about, wall_ms
from sps.tracing import names
from sps.tracing.context import (
    BadTraceparent,
    Headers,
    SpanContext,
    context_in,
    headers_of,
    span_of,
    trace_of,
)
from sps.tracing.span import Span, Tracer
from sps.tracing.stories import Stories

LINKS_MAX: Final = 32
"""Links of one span; a block of more batches names the first ones."""


class NodeTracing:
    """Only made when the tracer is on. `index`: our place in the committee; an observer has none (-1)."""

    def __init__(self, tracer: Tracer, name: str, index: int) -> None:
        self._tracer: Final = tracer
        self._name: Final = name
        self._index: Final = index
        self._stories: Final = Stories()

    def headers(self, raw: bytes) -> Headers:
        """The headers of a final block's record."""
        return headers_of(names.block(block_id_of(raw)))

    def executed(self, committed: Committed, receipts: Sequence[Receipt], *, live: bool) -> None:
        """Take the next block; not `live`: it was executed before and is told already."""
        self._stories.told(receipts)
        if live and receipts and committed.header.proposer == self._index:
            self._told(committed, receipts, wall_ms())

    def stored(self, records: Sequence[Record], here: Callable[[bytes], bool]) -> None:
        """These records were taken; `here` tells whether the batch of a digest was good and is stored."""
        ended_ms = wall_ms()
        for record in records:
            claimed = self._claimed(record)
            name = hashlib.sha256(record.value[:BATCH_HEADER_BYTES]).digest() if claimed else b""
            if claimed is not None and here(name):
                self._tracer.record(self._stored(record, name, claimed, ended_ms))

    def _claimed(self, record: Record) -> SpanContext | None:
        try:
            return context_in(record.headers)
        except BadTraceparent:
            self._tracer.malformed(record.topic)
            return None

    def _stored(self, record: Record, digest: bytes, claimed: SpanContext, ended_ms: int) -> Span:
        sent = names.batch(digest)
        return Span(
            context=span_of(sent.trace, "stored", self._name),
            parent=sent,
            name=f"store {record.topic}",
            kind="consumer",
            began_ms=record.time_ms,
            ended_ms=ended_ms,
            links=() if claimed == sent else (claimed,),
            attributes={
                names.SYSTEM: names.OUR_SYSTEM,
                names.DESTINATION: record.topic,
                names.PARTITION: str(record.partition),
                names.OPERATION: "process",
                names.BATCH: digest.hex(),
            },
        )

    def _told(self, committed: Committed, receipts: Sequence[Receipt], ended_ms: int) -> None:
        header = committed.header
        place = names.block(block_id(header))
        spans = [
            span for receipt in receipts if (span := self._span(receipt, place, header.time_ms, ended_ms))
        ]
        if not spans:
            return
        batches = tuple(names.batch(ref.digest) for ref in committed.refs[:LINKS_MAX])
        whole = Span(
            context=place,
            name="block",
            kind="internal",
            began_ms=header.time_ms,
            ended_ms=ended_ms,
            links=(*batches, *(span.context for span in spans[:LINKS_MAX])),
            attributes={
                names.HEIGHT: header.height,
                names.PROPOSER: self._name,
                names.COUNT: header.batch_count,
                names.BLOCK: block_id(header).hex(),
            },
        )
        for span in (*spans, whole):
            self._tracer.record(span)

    def _span(self, receipt: Receipt, place: SpanContext, began_ms: int, ended_ms: int) -> Span | None:
        story = self._stories.of(receipt.subject)
        trace = trace_of(story)
        if not story or not self._tracer.wants(trace):
            return None
        cause = names.transaction(trace, receipt.transaction) if receipt.transaction else None
        return Span(
            context=names.receipt(trace, receipt.height, receipt.index),
            parent=cause,
            name="block",
            kind="internal",
            began_ms=began_ms,
            ended_ms=ended_ms,
            links=(place,),
            attributes={**about(receipt, story), names.PROPOSER: self._name},
        )
