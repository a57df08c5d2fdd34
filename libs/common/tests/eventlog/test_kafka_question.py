"""Requests packed by hand against the client library's general way; and answers that are none."""

import struct
from io import BytesIO

import pytest
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v11
from aiokafka.protocol.produce import ProduceRequest, ProduceResponse_v7
from hypothesis import given, settings
from hypothesis import strategies as some

from sps.eventlog.kafka_question import Produced, Question, ask_fetch, ask_produce

VERSIONS = {0: (3, 7), 1: (4, 11), 3: (0, 13)}
names = some.text(some.characters(codec="ascii", categories=["L"]), min_size=1, max_size=50)
numbers = some.integers(0, 2**31 - 1)
offsets = some.integers(0, 2**63 - 1)
codes = some.integers(-1, 100)


def sent(request: object) -> bytes:
    prepared = request.prepare(VERSIONS)
    header = prepared.build_request_header(correlation_id=7, client_id="sps").encode()
    return bytes(header + prepared.encode())


@settings(deadline=None)
@given(names, numbers, offsets, some.integers(0, 60), numbers)
def test_reading_on_is_asked_for_as_the_library_would(
    topic: str, partition: int, offset: int, wait_s: int, size: int
) -> None:
    theirs = FetchRequest(wait_s * 1000, 1, size, 0, [(topic, [(partition, offset, size)])])
    assert sent(ask_fetch(topic, partition, offset, wait_s, size)) == sent(theirs)


@settings(deadline=None)
@given(names, numbers, some.binary(max_size=100), some.integers(0, 60))
def test_appending_is_asked_for_as_the_library_would(
    topic: str, partition: int, batch: bytes, within_s: int
) -> None:
    theirs = ProduceRequest(None, -1, within_s * 1000, [(topic, [(partition, batch)])])
    assert sent(ask_produce(topic, partition, batch, within_s)) == sent(theirs)


@settings(deadline=None)
@given(names, numbers, codes, offsets, offsets, some.integers(0, 3), some.none() | some.binary())
def test_what_was_read_is_understood(
    topic: str, partition: int, code: int, high: int, start: int, aborted: int, data: bytes | None
) -> None:
    part = (partition, code, high, high, start, [(1, 2)] * aborted or None, -1, data)
    answer = FetchResponse_v11(0, 0, 1, [(topic, [part])]).encode()
    found = ask_fetch(topic, partition, 0, 0, 0).decode(BytesIO(answer))
    assert (found.code, found.high, found.start, bytes(found.data)) == (code, high, start, data or b"")


def test_an_error_without_a_topic_is_understood() -> None:
    answer = FetchResponse_v11(0, 29, 1, []).encode()
    assert ask_fetch("name", 0, 0, 0, 0).decode(BytesIO(answer)).code == 29


@settings(deadline=None)
@given(names, numbers, codes, offsets)
def test_what_became_of_an_append_is_understood(topic: str, partition: int, code: int, offset: int) -> None:
    answer = ProduceResponse_v7([(topic, [(partition, code, offset, -1, 0)])], 0).encode()
    found = ask_produce(topic, partition, b"", 0).decode(BytesIO(answer))
    assert found == Produced(code, offset)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (ask_produce("a", 0, b"", 0), ProduceResponse_v7([("b", [(0, 0, 0, -1, 0)])], 0)),
        (ask_produce("a", 0, b"", 0), ProduceResponse_v7([("a", [(1, 0, 0, -1, 0)])], 0)),
        (ask_produce("a", 0, b"", 0), ProduceResponse_v7([], 0)),
        (ask_fetch("a", 0, 0, 0, 0), FetchResponse_v11(0, 0, 1, [])),
        (ask_fetch("a", 0, 0, 0, 0), FetchResponse_v11(0, 0, 1, [("a", [(1, 0, 0, 0, 0, None, -1, b"")])])),
    ],
)
def test_an_answer_to_another_question_is_an_error(question: Question[object], answer: object) -> None:
    with pytest.raises(ValueError, match="else"):
        question.decode(BytesIO(answer.encode()))


def test_an_answer_that_ends_too_early_is_an_error() -> None:
    answer = FetchResponse_v11(0, 0, 1, [("a", [(0, 0, 9, 9, 0, None, -1, b"data")])]).encode()
    for end in range(len(answer)):
        with pytest.raises((ValueError, struct.error)):
            ask_fetch("a", 0, 0, 0, 0).decode(BytesIO(answer[:end]))


def test_a_broker_that_is_too_old_or_too_new_is_told_apart() -> None:
    for versions in ({}, {1: (0, 10)}, {1: (12, 20)}):
        with pytest.raises(IncompatibleBrokerVersion, match="speaks"):
            ask_fetch("a", 0, 0, 0, 0).prepare(versions)
