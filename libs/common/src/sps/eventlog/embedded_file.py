"""The file of the embedded log: its tables and every statement on it. Synchronous; called by threads.

One SQLite file in WAL mode with synchronous=FULL: a commit returns after the fsync of the WAL. A record's
row id is `lane << 40 | offset`, so that one B-tree holds each partition as one run in order.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from sps.eventlog.lane import READ_BYTES_MAX
from sps.eventlog.port import LogRefused, NewRecord, OffsetGone, Record
from sps.eventlog.topics import Topic

OFFSET_BITS: Final = 40
"""A trillion records per partition."""
OFFSET_MAX: Final = (1 << OFFSET_BITS) - 1
BUSY_S: Final = 5.0
CHECKPOINT_PAGES: Final = 16_384
"""The writer itself checkpoints at 64 MiB of WAL; the keeper does it earlier and off the hot path."""
OPEN_TRIES: Final = 50
OPEN_PAUSE_S: Final = 0.05
TRIM_STEP: Final = 2_000
"""Rows removed per transaction, so that appends wait only a moment."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS topic (
  name TEXT NOT NULL PRIMARY KEY, partitions INTEGER NOT NULL, key TEXT NOT NULL, retention_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lane (
  id INTEGER NOT NULL PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  start INTEGER NOT NULL, next INTEGER NOT NULL, UNIQUE (topic, partition)
) STRICT;
CREATE TABLE IF NOT EXISTS record (
  id INTEGER NOT NULL PRIMARY KEY, time_ms INTEGER NOT NULL,
  key BLOB NOT NULL, value BLOB NOT NULL, headers BLOB NOT NULL
) STRICT;
"""
_headers_decoder: Final = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...])
_headers_encode: Final = msgspec.msgpack.Encoder().encode


class LaneRow(Struct, frozen=True):
    """One partition as stored."""

    id: int
    topic: str
    partition: int
    start: int
    next: int


def connect(path: Path) -> sqlite3.Connection:
    """Open one connection with every durable setting; transactions are begun by hand."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    for attempt in range(OPEN_TRIES):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:  # another process switches the mode just now
            if attempt == OPEN_TRIES - 1:
                raise
            time.sleep(OPEN_PAUSE_S)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    connection.execute("PRAGMA cache_size=-16000")
    return connection


def declare(connection: sqlite3.Connection, topics: dict[str, Topic]) -> list[LaneRow]:
    """Create what is missing and refuse a file whose topics differ from the table; returns all lanes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        stored = {
            name: (partitions, key, retention_ms)
            for name, partitions, key, retention_ms in connection.execute("SELECT * FROM topic")
        }
        _check_topics(stored, topics)
        for topic in topics.values():
            if topic.name not in stored:
                _create_topic(connection, topic)
        lanes = read_lanes(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return lanes


def _check_topics(stored: dict[str, tuple[int, str, int | None]], topics: dict[str, Topic]) -> None:
    differences = []
    for name, found in sorted(stored.items()):
        topic = topics.get(name)
        wanted = None if topic is None else (topic.partitions, topic.key, topic.retention_ms)
        if wanted != found:
            differences.append(f"{name}: stored {_shape(found)}, wanted {_shape(wanted)}")
    if differences:
        raise LogRefused("the topics of the file do not fit: " + "; ".join(differences))


def _shape(shape: tuple[int, str, int | None] | None) -> str:
    if shape is None:
        return "no such topic"
    partitions, key, retention_ms = shape
    kept = "for ever" if retention_ms is None else f"{retention_ms} ms"
    return f"{partitions} partitions by {key}, kept {kept}"


def _create_topic(connection: sqlite3.Connection, topic: Topic) -> None:
    connection.execute(
        "INSERT INTO topic VALUES (?, ?, ?, ?)", (topic.name, topic.partitions, topic.key, topic.retention_ms)
    )
    connection.executemany(
        "INSERT INTO lane (topic, partition, start, next) VALUES (?, ?, 0, 0)",
        [(topic.name, number) for number in range(topic.partitions)],
    )


def read_lanes(connection: sqlite3.Connection) -> list[LaneRow]:
    """All partitions with their bounds."""
    return [LaneRow(*row) for row in connection.execute("SELECT id, topic, partition, start, next FROM lane")]


def insert_records(
    connection: sqlite3.Connection, lane: LaneRow, records: Sequence[NewRecord], now_ms: int
) -> list[Record]:
    """Give offsets and insert; inside the caller's transaction, which also reads `next` from the file."""
    first = read_bounds(connection, lane)[1]
    following = first + len(records)
    if following > OFFSET_MAX:
        raise LogRefused(f"{lane.topic}/{lane.partition} is full")
    base = lane.id << OFFSET_BITS
    connection.executemany(
        "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
        [
            (base | (first + index), now_ms, new.key, new.value, _headers_encode(new.headers))
            for index, new in enumerate(records)
        ],
    )
    connection.execute("UPDATE lane SET next = ? WHERE id = ?", (following, lane.id))
    return [
        Record(lane.topic, lane.partition, first + index, new.key, new.value, now_ms, new.headers)
        for index, new in enumerate(records)
    ]


def read_bounds(connection: sqlite3.Connection, lane: LaneRow) -> tuple[int, int]:
    """(oldest kept offset, next offset) of this moment."""
    start, following = connection.execute("SELECT start, next FROM lane WHERE id = ?", (lane.id,)).fetchone()
    return start, following


class Slice(Struct, frozen=True):
    """What one read found: the bounds of that moment and the records."""

    start: int
    next: int
    records: list[Record]


def read_slice(connection: sqlite3.Connection, lane: LaneRow, offset: int, limit: int) -> Slice:
    """Read on from `offset` in one snapshot, bounded by number and bytes; raises `OffsetGone`."""
    connection.execute("BEGIN")
    try:
        start, following = read_bounds(connection, lane)
        if offset < start:
            raise OffsetGone(start)
        last = min(following, offset + limit) - 1
        records = _records(connection, lane, offset, last) if last >= offset else []
        return Slice(start, following, records)
    finally:
        connection.execute("COMMIT")


def _records(connection: sqlite3.Connection, lane: LaneRow, first: int, last: int) -> list[Record]:
    base = lane.id << OFFSET_BITS
    cursor = connection.execute(
        "SELECT id, time_ms, key, value, headers FROM record WHERE id BETWEEN ? AND ? ORDER BY id",
        (base | first, base | min(last, OFFSET_MAX)),
    )
    records: list[Record] = []
    total = 0
    for row_id, time_ms, key, value, headers in cursor:
        records.append(
            Record(
                lane.topic,
                lane.partition,
                row_id & OFFSET_MAX,
                key,
                value,
                time_ms,
                _headers_decoder.decode(headers),
            )
        )
        total += len(key) + len(value) + len(headers)
        if total > READ_BYTES_MAX:
            break
    cursor.close()
    return records


def expired_before(connection: sqlite3.Connection, lane: LaneRow, cutoff_ms: int) -> int:
    """Return the first offset that is younger than the cut-off, looking at one trim step of rows."""
    start, following = read_bounds(connection, lane)
    base = lane.id << OFFSET_BITS
    last = min(following, start + TRIM_STEP) - 1
    row = connection.execute(
        "SELECT id FROM record WHERE id BETWEEN ? AND ? AND time_ms >= ? ORDER BY id LIMIT 1",
        (base | start, base | last, cutoff_ms),
    ).fetchone()
    return int(row[0]) & OFFSET_MAX if row is not None else last + 1


def remove_below(connection: sqlite3.Connection, lane: LaneRow, before: int) -> tuple[int, int]:
    """Remove at most one trim step of records below `before`; inside the caller's transaction; new bounds."""
    start, following = read_bounds(connection, lane)
    target = min(max(before, start), following, start + TRIM_STEP)
    base = lane.id << OFFSET_BITS
    if target > start:
        connection.execute("DELETE FROM record WHERE id BETWEEN ? AND ?", (base | start, base | (target - 1)))
        connection.execute("UPDATE lane SET start = ? WHERE id = ?", (target, lane.id))
    return target, following
