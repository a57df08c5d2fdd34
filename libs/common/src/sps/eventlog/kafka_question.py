"""Requests packed by hand, in the form that a connection of the client library sends.

The two of a hop, append and read on, because that is three times cheaper than the library's general way, and
a small record costs little else; and the one that the library has too old.
"""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final, Generic, TypeVar

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import ResponseHeader_v0, ResponseHeader_v1
from msgspec import Struct

T = TypeVar("T")

MS_PER_S: Final = 1_000
_PRODUCE: Final = (0, 7)
_FETCH: Final = (1, 11)
"""(key, version). Kafka 2.4 and all since speak both; 4.x has dropped much of what is older."""
_NOTHING: Final = -1
_NO_SESSION: Final = (0, -1)
_ALL_IN_SYNC: Final = -1
_READ_UNCOMMITTED: Final = 0
_NO_TAGS: Final = b"\0"

_HEADER: Final = struct.Struct(">hhih")
_FETCH_HEAD: Final = struct.Struct(">iiiibiii")
_FETCH_PARTITION: Final = struct.Struct(">iiqqi")
_FETCH_TAIL: Final = struct.pack(">ih", 0, 0)
_FETCHED_HEAD: Final = struct.Struct(">ihii")
_FETCHED_PARTITION: Final = struct.Struct(">iihqqqi")
_ABORTED: Final = struct.Struct(">qq")
_FETCHED_TAIL: Final = struct.Struct(">ii")
_PRODUCE_HEAD: Final = struct.Struct(">hhii")
_PRODUCE_PARTITION: Final = struct.Struct(">iii")
_COUNT: Final = struct.Struct(">i")
_PRODUCED_PARTITION: Final = struct.Struct(">iihq")
_LENGTH: Final = struct.Struct(">h")


class _Header:
    def __init__(self, whole: bytes) -> None:
        self._whole: Final = whole

    def encode(self) -> bytes:
        return self._whole


class Question(Generic[T]):
    """One request; `read` makes its answer of the bytes behind the header."""

    def __init__(
        self, kind: tuple[int, int], body: bytes, read: Callable[[memoryview], T], *, flexible: bool = False
    ) -> None:
        self._kind: Final = kind
        self._body: Final = body
        self._read: Final = read
        self._flexible: Final = flexible
        self.RESPONSE_TYPE = self

    def prepare(self, versions: dict[int, tuple[int, int]]) -> "Question[T]":
        """Compared with what the broker speaks."""
        key, version = self._kind
        oldest, newest = versions.get(key, (0, 0))
        if not oldest <= version <= newest:
            raise IncompatibleBrokerVersion(f"the broker speaks version {oldest}…{newest} of request {key}")
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> _Header:
        name = client_id.encode()
        head = _HEADER.pack(*self._kind, correlation_id, len(name)) + name
        return _Header(head + _NO_TAGS if self._flexible else head)

    def encode(self) -> bytes:
        return self._body

    def parse_response_header(self, answer: BytesIO) -> Any:
        return (ResponseHeader_v1 if self._flexible else ResponseHeader_v0).decode(answer)

    def decode(self, answer: BytesIO) -> T:
        return self._read(answer.getbuffer()[answer.tell() :])


class Fetched(Struct, frozen=True):
    """The answer for one partition."""

    code: int
    high: int
    """The next offset to be written that everybody may see."""
    start: int
    data: memoryview


class Produced(Struct, frozen=True):
    """What became of a batch."""

    code: int
    offset: int
    """Of its first record."""


def ask_fetch(topic: str, partition: int, offset: int, wait_s: float, bytes_max: int) -> Question[Fetched]:
    """Records from `offset` on: as soon as there are any, or nothing after `wait_s`."""
    name, wait_ms = topic.encode(), int(wait_s * MS_PER_S)
    body = (
        _FETCH_HEAD.pack(_NOTHING, wait_ms, 1, bytes_max, _READ_UNCOMMITTED, *_NO_SESSION, 1)
        + _text(name)
        + _COUNT.pack(1)
        + _FETCH_PARTITION.pack(partition, _NOTHING, offset, _NOTHING, bytes_max)
        + _FETCH_TAIL
    )
    return Question(_FETCH, body, lambda answer: _fetched(answer, name, partition))


def ask_produce(topic: str, partition: int, batch: bytes, within_s: float) -> Question[Produced]:
    """Answered when all who are in sync have the batch, or after `within_s`."""
    name, within_ms = topic.encode(), int(within_s * MS_PER_S)
    body = b"".join(
        (
            _PRODUCE_HEAD.pack(_NOTHING, _ALL_IN_SYNC, within_ms, 1),
            _text(name),
            _PRODUCE_PARTITION.pack(1, partition, len(batch)),
            batch,
        )
    )
    return Question(_PRODUCE, body, lambda answer: _produced(answer, name, partition))


def _fetched(answer: memoryview, name: bytes, partition: int) -> Fetched:
    _, code, _, topics = _FETCHED_HEAD.unpack_from(answer)
    if code and not topics:
        return Fetched(code, 0, 0, answer[:0])
    place = _FETCHED_HEAD.size + _named(answer, _FETCHED_HEAD.size, topics, name)
    count, number, error, high, _, start, aborted = _FETCHED_PARTITION.unpack_from(answer, place)
    _expect(count == 1 and number == partition)
    place += _FETCHED_PARTITION.size + max(0, aborted) * _ABORTED.size
    _, size = _FETCHED_TAIL.unpack_from(answer, place)
    place += _FETCHED_TAIL.size
    data = answer[place : place + max(0, size)]
    _expect(len(data) == max(0, size))
    return Fetched(code or error, high, start, data)


def _produced(answer: memoryview, name: bytes, partition: int) -> Produced:
    (topics,) = _COUNT.unpack_from(answer)
    place = _COUNT.size + _named(answer, _COUNT.size, topics, name)
    count, number, code, offset = _PRODUCED_PARTITION.unpack_from(answer, place)
    _expect(count == 1 and number == partition)
    return Produced(code, offset)


def _text(name: bytes) -> bytes:
    return _LENGTH.pack(len(name)) + name


def _named(answer: memoryview, place: int, topics: int, name: bytes) -> int:
    """The size of the topic's name, which must be the one that was asked for."""
    text = _text(name)
    _expect(topics == 1 and answer[place : place + len(text)] == text)
    return len(text)


def _expect(holds: bool) -> None:
    if not holds:
        raise ValueError("a broker answered something else than it was asked")
