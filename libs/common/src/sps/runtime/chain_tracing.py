"""What a follower says when traces are on: each receipt of a block, as its service projected it."""

import time
from collections.abc import Sequence
from typing import Final

from sps.chain.binary import Malformed
from sps.chain.header import height_of
from sps.chain.receipt import OK, Receipt
from sps.eventlog.port import Record
from sps.runtime.projection import ExecutedBlock
from sps.tracing import names
from sps.tracing.context import BadTraceparent, SpanContext, context_in, trace_of
from sps.tracing.span import Span, Tracer, Value
from sps.tracing.stories import Stories

HINTS_MAX: Final = 1_024
"""Blocks whose writer's span is remembered until they are projected."""
_MS: Final = 1_000


def wall_ms() -> int:
    """Unix time: spans of several processes are laid side by side."""
    return int(time.time() * _MS)


class ChainTracing:
    """One per follower; only made when the tracer is on."""

    def __init__(self, tracer: Tracer, service: str) -> None:
        self.tracer: Final = tracer
        self.service: Final = service
        self.stories = Stories()
        self._hints: Final[dict[int, SpanContext]] = {}
        self._began_ms = 0

    def begin_again(self) -> None:
        """The chain is executed from its beginning once more."""
        self.stories = Stories()

    def executed(self, receipts: Sequence[Receipt]) -> None:
        """Take the receipts of the next block, whether it is projected or was before."""
        self.stories.told(receipts)

    def read(self, record: Record) -> None:
        """Note what the writer of a block's record claims; a hint, for a link alone."""
        try:
            context = context_in(record.headers)
            height = height_of(record.value) if context else 0
        except BadTraceparent:
            self.tracer.malformed(record.topic)
        except Malformed:
            return  # the follower counts it
        else:
            if context is not None:
                self._hints[height] = context
                while len(self._hints) > HINTS_MAX:
                    del self._hints[next(iter(self._hints))]

    def begins(self) -> None:
        """Verified blocks are there and are going to be projected."""
        self._began_ms = wall_ms()

    def committed(self, blocks: Sequence[ExecutedBlock]) -> None:
        """These blocks stand in the service's tables."""
        ended_ms = wall_ms()
        for block in blocks:
            hint = self._hints.pop(block.height, None)
            for receipt in block.receipts:
                self._projected(receipt, hint, ended_ms)

    def _projected(self, receipt: Receipt, hint: SpanContext | None, ended_ms: int) -> None:
        story = self.stories.of(receipt.subject)
        trace = trace_of(story)
        if not story or not self.tracer.wants(trace):
            return
        place = (receipt.height, receipt.index)
        self.tracer.record(
            Span(
                context=names.projected(trace, self.service, *place),
                parent=names.receipt(trace, *place),
                name="project",
                kind="consumer",
                began_ms=self._began_ms,
                ended_ms=ended_ms,
                links=(hint,) if hint else (),
                attributes=about(receipt, story),
            )
        )


def about(receipt: Receipt, story: str) -> dict[str, Value]:
    """What a receipt says, without a person and without an amount."""
    told: dict[str, Value] = {
        names.STORY: story,
        names.SUBJECT: receipt.subject,
        names.HEIGHT: receipt.height,
        names.INDEX: receipt.index,
        names.KIND: receipt.kind,
        names.CODE: receipt.code,
    }
    if receipt.code == OK:
        told[names.RULES] = " ".join(receipt.rules)
        told[names.JOURNALS] = " ".join(journal.kind for journal in receipt.journals)
    return told
