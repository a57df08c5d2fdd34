"""Record batches as Kafka stores them: built for one append or several, and read without trust.

A broker proves nothing. A batch whose sum does not fit was spoiled on its way: trouble, ask again. A batch
that is whole and yet holds no records of ours is its producer's fault: it is passed over and counted.
"""

import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Final

import cramjam
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from msgspec import Struct

from sps.eventlog.lane import record_bytes
from sps.eventlog.memory import wall_clock_ms
from sps.eventlog.port import LogTrouble, NewRecord, Record
from sps.eventlog.topics import MESSAGE_BYTES_MAX, Topic

_HEADER_BYTES: Final = 61
_RECORD_OVERHEAD: Final = 16
"""At most: length, attributes, time, place, the lengths of key and value, the number of headers."""
_HEADER_OVERHEAD: Final = 6
"""At most: the lengths of a name and a value."""
BATCH_BYTES_MAX: Final = MESSAGE_BYTES_MAX - _HEADER_BYTES
"""Uncompressed records of one batch, by the cost below; a record of the largest size fits."""
UNPACKED_BYTES_MAX: Final = 2 * MESSAGE_BYTES_MAX
"""A batch that becomes larger than this is a bomb: ours never do."""
_VERSION: Final = 2
_CODECS: Final = {"none": DefaultRecordBatch.CODEC_NONE, "zstd": DefaultRecordBatch.CODEC_ZSTD}
_CODEC_PLACE: Final = 22
"""The low byte of the attributes, in the header of a batch."""
_LENGTH: Final = struct.Struct(">i")
_LENGTH_PLACE: Final = 8
_BEFORE_LENGTH: Final = 12


class Producer(Struct, frozen=True):
    """By this a broker knows a repetition: same producer, same epoch, same number of the first record."""

    id: int
    epoch: int
    sequence: int


class Page(Struct, frozen=True):
    """What an answer held."""

    records: list[Record]
    following: int
    """Where to read on; behind what was passed over."""
    unreadable: int
    size: int
    """Bytes that count against the limits."""


def cost(records: Sequence[NewRecord]) -> int:
    """Bytes in a batch, at most."""
    headers = sum(len(record.headers) for record in records)
    return sum(map(record_bytes, records)) + len(records) * _RECORD_OVERHEAD + headers * _HEADER_OVERHEAD


def build(topic: Topic, records: Sequence[NewRecord], producer: Producer) -> bytes:
    """One batch, compressed as the table says; `records` cost at most `BATCH_BYTES_MAX`."""
    builder = DefaultRecordBatchBuilder(
        _VERSION,
        _CODECS[topic.compression],
        0,
        producer.id,
        producer.epoch,
        producer.sequence,
        MESSAGE_BYTES_MAX,
    )
    now_ms = wall_clock_ms()
    for place, record in enumerate(records):
        if builder.append(place, now_ms, record.key, record.value, list(record.headers)) is None:
            raise ValueError(f"{len(records)} records do not fit one batch, though their cost says so")
    return bytes(builder.build())


def read_page(topic: str, partition: int, data: bytes | memoryview, offset: int, bytes_max: int) -> Page:
    """The records from `offset` on, ending with the batch that passes `bytes_max` once it is unpacked.

    Raises `LogTrouble` for a batch that was spoiled on its way.
    """
    records: list[Record] = []
    following, unreadable, size = offset, 0, 0
    for whole in _batches(data):
        batch = DefaultRecordBatch(whole)
        if batch.magic != _VERSION or not batch.validate_crc():
            raise LogTrouble(f"a broker gave a spoiled batch of {topic}/{partition} behind {following}")
        if batch.next_offset <= following:
            continue
        if not batch.is_control_batch:
            found = _records(topic, partition, whole, following)
            unreadable += 0 if found else batch.next_offset - following
            records += found
            size += sum(map(record_bytes, found))
        following = batch.next_offset
        if size > bytes_max:
            break
    return Page(records, following, unreadable, size)


def _batches(data: bytes | memoryview) -> Iterator[memoryview]:
    """One after the other; the last one may be cut off and is left out then."""
    view, place = memoryview(data), 0
    while place + _HEADER_BYTES <= len(data):
        (length,) = _LENGTH.unpack_from(data, place + _LENGTH_PLACE)
        end = place + _BEFORE_LENGTH + length
        if length < _HEADER_BYTES - _BEFORE_LENGTH:
            raise LogTrouble("a broker gave a batch that is shorter than its own header")
        if end > len(data):
            return
        yield view[place:end]
        place = end


def _records(topic: str, partition: int, whole: memoryview, offset: int) -> list[Record]:
    """Nothing when the batch is none of ours."""
    try:
        batch = DefaultRecordBatch(_unpacked(whole))
        found = [
            Record(
                topic,
                partition,
                record.offset,
                record.key or b"",
                record.value or b"",
                record.timestamp,
                tuple((name, value or b"") for name, value in record.headers),
            )
            for record in batch
        ]
    except (KafkaError, cramjam.DecompressionError, ValueError, OverflowError):
        return []
    offsets = [record.offset for record in found]
    if offsets != list(range(batch.base_offset, batch.next_offset)):
        return []
    return [record for record in found if record.offset >= offset]


def _unpacked(whole: memoryview) -> memoryview | bytearray:
    """The batch without compression; never larger than `UNPACKED_BYTES_MAX`."""
    codec = whole[_CODEC_PLACE] & DefaultRecordBatch.CODEC_MASK
    if codec == DefaultRecordBatch.CODEC_NONE:
        return whole
    if codec != DefaultRecordBatch.CODEC_ZSTD:
        raise ValueError("a compression that no topic has")
    room = _room.view
    size = cramjam.zstd.decompress_into(whole[_HEADER_BYTES:], room)
    unpacked = bytearray(whole[:_HEADER_BYTES])
    unpacked += room[:size]
    _LENGTH.pack_into(unpacked, _LENGTH_PLACE, len(unpacked) - _BEFORE_LENGTH)
    unpacked[_CODEC_PLACE] &= ~DefaultRecordBatch.CODEC_MASK & 0xFF
    return unpacked


class _Room(threading.local):
    """Where a thread unpacks: kept, since two fresh megabytes cost forty times what a small batch costs."""

    def __init__(self) -> None:
        self.view: Final = memoryview(bytearray(UNPACKED_BYTES_MAX))


_room: Final = _Room()
