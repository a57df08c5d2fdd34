"""Record batches, built and read without a broker."""

import cramjam
import pytest
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as some

from sps.eventlog.kafka_batches import BATCH_BYTES_MAX, UNPACKED_BYTES_MAX, Producer, build, cost, read_page
from sps.eventlog.lane import APPEND_RECORDS_MAX
from sps.eventlog.port import LogTrouble, NewRecord
from sps.eventlog.topics import (
    BLOCKS,
    CONSENSUS,
    HEADERS_MAX,
    MESSAGE_BYTES_MAX,
    RECORD_BYTES_MAX,
    TOPICS,
)

PRODUCER = Producer(1, 0, 0)
PLENTY = 10**9
SUM_PLACE, SUMMED_FROM, CODEC_PLACE, COUNT_PLACE = 17, 21, 22, 57

records = some.lists(
    some.builds(
        NewRecord,
        some.binary(max_size=50),
        some.binary(max_size=200),
        some.lists(some.tuples(some.text(max_size=5), some.binary(max_size=5)), max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=20,
)


def summed(batch: bytes) -> bytes:
    """The batch with a sum that fits, as a hostile producer would send it."""
    total = calc_crc32c(batch[SUMMED_FROM:])
    return batch[:SUM_PLACE] + total.to_bytes(4, "big") + batch[SUMMED_FROM:]


@settings(deadline=None)
@given(records, some.sampled_from([BLOCKS, CONSENSUS]))
def test_what_is_built_is_read_again(written: list[NewRecord], topic: str) -> None:
    data = build(TOPICS[topic], written, PRODUCER)
    page = read_page("name", 3, data, 0, PLENTY)
    assert [(r.key, r.value, r.headers) for r in page.records] == [
        (r.key, r.value, r.headers) for r in written
    ]
    assert [(r.topic, r.partition, r.offset) for r in page.records] == [
        ("name", 3, place) for place in range(len(written))
    ]
    assert (page.following, page.unreadable) == (len(written), 0)


@settings(deadline=None)
@given(records)
def test_a_batch_is_never_larger_than_its_cost(written: list[NewRecord]) -> None:
    assert len(build(TOPICS[CONSENSUS], written, PRODUCER)) <= cost(written) + 61


@pytest.mark.parametrize(
    "written",
    [
        [NewRecord(b"k" * 500_000, b"v" * 500_000)],
        [NewRecord(b"", b"v" * (RECORD_BYTES_MAX - HEADERS_MAX), (("h", b""),) * HEADERS_MAX)],
        [NewRecord(b"k", b"v" * 80)] * APPEND_RECORDS_MAX,
    ],
    ids=["key and value", "headers", "many"],
)
def test_the_largest_that_a_caller_may_append_at_once_fits_a_broker(written: list[NewRecord]) -> None:
    assert cost(written) <= BATCH_BYTES_MAX
    assert len(build(TOPICS[CONSENSUS], written, PRODUCER)) <= MESSAGE_BYTES_MAX


def test_reading_begins_at_the_offset_that_was_asked_for() -> None:
    data = build(TOPICS[BLOCKS], [NewRecord(b"", bytes([n])) for n in range(5)], PRODUCER)
    page = read_page("name", 0, data, 3, PLENTY)
    assert [record.offset for record in page.records] == [3, 4]
    assert read_page("name", 0, data, 5, PLENTY).following == 5


def test_a_batch_that_is_cut_off_is_left_out() -> None:
    data = build(TOPICS[BLOCKS], [NewRecord(b"", b"a")], PRODUCER)
    for end in range(len(data)):
        assert read_page("name", 0, data + _placed(data, 1)[:end], 0, PLENTY).following == 1


def test_reading_ends_with_the_batch_that_is_too_much() -> None:
    batch = build(TOPICS[BLOCKS], [NewRecord(b"", bytes(1_000))], PRODUCER)
    data = b"".join(_placed(batch, offset) for offset in range(5))
    page = read_page("name", 0, data, 0, 1_500)
    assert (len(page.records), page.following) == (2, 2)


@pytest.mark.parametrize("place", [16, 40, 61, 70])
def test_a_batch_that_was_spoiled_on_its_way_is_trouble(place: int) -> None:
    data = bytearray(build(TOPICS[CONSENSUS], [NewRecord(b"k", b"value")], PRODUCER))
    data[place] ^= 1
    with pytest.raises(LogTrouble, match="spoiled"):
        read_page("name", 0, bytes(data), 0, PLENTY)


def test_a_batch_that_is_shorter_than_its_header_is_trouble() -> None:
    data = build(TOPICS[CONSENSUS], [NewRecord(b"k", b"value")], PRODUCER)
    with pytest.raises(LogTrouble, match="shorter"):
        read_page("name", 0, data[:8] + (5).to_bytes(4, "big") + data[12:], 0, PLENTY)


def _bomb() -> bytes:
    packed = bytes(cramjam.zstd.compress(bytes(UNPACKED_BYTES_MAX * 20)))
    head = build(TOPICS[CONSENSUS], [NewRecord(b"", b"")], PRODUCER)[:61]
    whole = head[:8] + (49 + len(packed)).to_bytes(4, "big") + head[12:] + packed
    return _with(whole, CODEC_PLACE, 4)


def _with(batch: bytes, place: int, byte: int) -> bytes:
    return batch[:place] + bytes([byte]) + batch[place + 1 :]


def _placed(batch: bytes, offset: int) -> bytes:
    """The broker writes the offset in front; it is not part of the sum."""
    return offset.to_bytes(8, "big") + batch[8:]


def _hostile() -> dict[str, bytes]:
    plain = build(TOPICS[CONSENSUS], [NewRecord(b"k", b"v", (("name", b"x"),))], PRODUCER)
    return {
        "a bomb": _bomb(),
        "a header that is no text": plain.replace(b"name", b"\xff\xfe\xfd\xfc"),
        "another compression": _with(plain, CODEC_PLACE, 1),
        "no compression, though it says so": _with(plain, CODEC_PLACE, 4),
        "more records than there are": _with(plain, COUNT_PLACE + 3, 9),
        "fewer records than it says": _with(plain, COUNT_PLACE + 3, 0),
        "a record longer than the batch": _with(plain, 61, 0x7F),
    }


@pytest.mark.parametrize("kind", list(_hostile()))
def test_what_a_producer_made_unreadable_is_passed_over_and_counted(kind: str) -> None:
    good = _placed(build(TOPICS[BLOCKS], [NewRecord(b"", b"good")], PRODUCER), 1)
    page = read_page("name", 0, summed(_hostile()[kind]) + good, 0, PLENTY)
    assert [record.value for record in page.records] == [b"good"]
    assert (page.following, page.unreadable) == (2, 1)


@settings(deadline=None)
@given(some.data())
def test_whatever_a_producer_writes_reading_goes_on_behind_it(data: some.DataObject) -> None:
    batch = bytearray(build(TOPICS[CONSENSUS], [NewRecord(b"key", b"value", (("h", b"x"),))], PRODUCER))
    for _ in range(data.draw(some.integers(1, 5))):
        batch[data.draw(some.integers(61, len(batch) - 1))] = data.draw(some.integers(0, 255))
    good = _placed(build(TOPICS[BLOCKS], [NewRecord(b"", b"good")], PRODUCER), 1)
    page = read_page("name", 0, summed(bytes(batch)) + good, 0, PLENTY)
    assert page.records[-1].value == b"good"
    assert page.following == 2
