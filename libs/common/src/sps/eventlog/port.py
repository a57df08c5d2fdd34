"""The event log: an append-only bulletin board of topics. It can delay, repeat, lose; it is never the judge.

Positions are hints for reading on, never identities. Adapters: `memory` (fake), `embedded` (SQLite file),
`kafka`. All pass `sps.eventlog.conformance`.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Record(Struct, frozen=True):
    """One record as read. `offset` counts per topic and partition from 0; `time_ms`: when it was appended."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    time_ms: int
    headers: tuple[tuple[str, bytes], ...] = ()


class NewRecord(Struct, frozen=True):
    """One record to append."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class LogTrouble(Exception):  # a kind of error: the world failed, retry with a bound
    """The log could not be reached in time; whether an append happened is unknown."""


class LogRefused(Exception):  # a kind of error: the rule says no
    """Unknown topic, partition out of range or record too large: never retry."""


class OffsetGone(Exception):  # the reader decides what it means
    """The wanted offset was trimmed away; `start` is the oldest one still there."""

    def __init__(self, start: int) -> None:
        super().__init__(f"the oldest offset still kept is {start}")
        self.start = start


class EventLog(Protocol):
    """Who calls: producers append, followers read with offsets of their own. No groups, no commits."""

    async def start(self) -> None:
        """Open; declare the topics of `sps.eventlog.topics`; refuse to run when a live topic does not fit."""

    async def stop(self) -> None:
        """Close within a bound; what was acknowledged stays."""

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        """Append all or nothing; returns the first offset once the records are durable and visible.

        Raises `LogTrouble` when the outcome is unknown: append again, readers deduplicate by content. On
        Kafka what is larger than one batch may be there from its beginning to somewhere after `LogTrouble`,
        never with a hole, and records of others may stand in between.
        """

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 500, wait_s: float = 0.0
    ) -> list[Record]:
        """Read on from `offset` in order, at most `limit` records; waits up to `wait_s` when there are none.

        Raises `OffsetGone` when `offset` was trimmed, or was there and is no more; `LogTrouble` when nobody
        can say whether there are any.
        """

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """(oldest kept offset, next offset to be written)."""
