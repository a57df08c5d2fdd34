"""Which trace, which span: derived from names, and as the header `traceparent` (W3C Trace Context, 00).

A story has one trace for ever, whoever computes its identifier. What a header says is only ever a hint.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

TRACE_BYTES: Final = 16
SPAN_BYTES: Final = 8
TRACEPARENT: Final = "traceparent"
TRACEPARENT_BYTES: Final = 55
"""00-<32 hex>-<16 hex>-<2 hex>"""
SAMPLED: Final = 0x01

_SHAPE: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
_TAG: Final = b"sps.trace.v1|"
_CHANCES: Final = 2**64

Headers = tuple[tuple[str, bytes], ...]


class BadTraceparent(ValueError):
    """The header is there and is none; nobody uses it."""


class SpanContext(Struct, frozen=True):
    """A span's place: 16 bytes of its trace, 8 bytes of its own."""

    trace: bytes
    span: bytes


def trace_of(story: str) -> bytes:
    """The trace of a story: the identifier of a contract, or of a payout or quote of its own."""
    return hashlib.sha256(_TAG + story.encode()).digest()[:TRACE_BYTES]


def span_of(trace: bytes, *words: str) -> SpanContext:
    """The span of a trace that these words name; the same words name the same span in every process."""
    return SpanContext(trace, hashlib.sha256(trace + "|".join(words).encode()).digest()[:SPAN_BYTES])


def is_sampled(trace: bytes, share: float) -> bool:
    """Whether a trace belongs to the share (0 to 1) that is recorded; alike in every process, without a word.

    The lower 64 bits decide, as OpenTelemetry's own sampler by ratio does it.
    """
    return int.from_bytes(trace[8:], "big") < round(share * _CHANCES)


def headers_of(context: SpanContext) -> Headers:
    """The header of a record that this span wrote."""
    return ((TRACEPARENT, f"00-{context.trace.hex()}-{context.span.hex()}-{SAMPLED:02x}".encode()),)


def context_in(headers: Iterable[tuple[str, bytes]]) -> SpanContext | None:
    """What the writer of a record claims; None when it claims nothing. Raises `BadTraceparent`."""
    found = [value for name, value in headers if name == TRACEPARENT]
    if not found:
        return None
    if len(found) > 1 or len(found[0]) != TRACEPARENT_BYTES:
        raise BadTraceparent("a record has one traceparent of 55 bytes")
    shape = _SHAPE.fullmatch(found[0])
    if shape is None:
        raise BadTraceparent("the traceparent is not spelled as version 00 is")
    trace, span = bytes.fromhex(shape[1].decode()), bytes.fromhex(shape[2].decode())
    if not any(trace) or not any(span):
        raise BadTraceparent("the traceparent names nothing")
    return SpanContext(trace, span)
