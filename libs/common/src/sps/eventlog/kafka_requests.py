"""The words of Kafka's protocol that are spoken here besides those of a hop, and how their answers read.

The question for metadata is our own: the library's has no topic ids, by which a topic that was deleted and
made anew is told from the old one.
"""

from io import BytesIO
from typing import Any, Final

from aiokafka.protocol.admin import DeleteRecordsRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from msgspec import Struct

from sps.eventlog.kafka_connection import Broker
from sps.eventlog.kafka_question import MS_PER_S, Question
from sps.eventlog.port import LogTrouble

OK: Final = 0
OFFSET_OUT_OF_RANGE: Final = 1
UNKNOWN_TOPIC_OR_PARTITION: Final = 3
NOT_LEADER: Final = 6
MESSAGE_TOO_LARGE: Final = 10
OUT_OF_ORDER_SEQUENCE: Final = 45
INVALID_PRODUCER_EPOCH: Final = 47
UNKNOWN_PRODUCER_ID: Final = 59
INVALID_RECORD: Final = 87
EARLIEST: Final = -2
LATEST: Final = -1
_READ_UNCOMMITTED: Final = 0
_NO_TRANSACTION_MS: Final = 60_000
_NO_REPLICA: Final = -1

_TEXT: Final = CompactString("utf-8")
_METADATA: Final = (3, 10)
"""(key, version): since Kafka 2.8."""
_ASKED: Final = Schema(
    (
        "topics",
        CompactArray(("high", Int64), ("low", Int64), ("name", _TEXT), ("tags", TaggedFields)),
    ),
    ("create", Boolean),
    ("cluster_operations", Boolean),
    ("topic_operations", Boolean),
    ("tags", TaggedFields),
)
_ANSWERED: Final = Schema(
    ("throttle_ms", Int32),
    (
        "brokers",
        CompactArray(
            ("id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields)
        ),
    ),
    ("cluster", _TEXT),
    ("controller", Int32),
    (
        "topics",
        CompactArray(
            ("error", Int16),
            ("name", _TEXT),
            ("high", Int64),
            ("low", Int64),
            ("internal", Boolean),
            (
                "partitions",
                CompactArray(
                    ("error", Int16),
                    ("number", Int32),
                    ("leader", Int32),
                    ("epoch", Int32),
                    ("replicas", CompactArray(Int32)),
                    ("in_sync", CompactArray(Int32)),
                    ("offline", CompactArray(Int32)),
                    ("tags", TaggedFields),
                ),
            ),
            ("operations", Int32),
            ("tags", TaggedFields),
        ),
    ),
    ("operations", Int32),
    ("tags", TaggedFields),
)


class LiveTopic(Struct, frozen=True):
    """A topic as the cluster has it. `code` is not 0 when it has none of this name, or hides it."""

    code: int
    id: tuple[int, int]
    leaders: dict[int, int]
    """Broker id by partition; -1: none now."""
    replication: int
    """Copies of the partition that has the fewest."""


class Metadata(Struct, frozen=True):
    """Who is there and who leads what."""

    brokers: dict[int, Broker]
    topics: dict[str, LiveTopic]


def ask_metadata(topics: list[str]) -> Question[Metadata]:
    """Who is there and who leads these topics; none of them is made by asking."""
    no_tags: dict[int, bytes] = {}
    asked = [(0, 0, name, no_tags) for name in topics]
    body = bytes(_ASKED.encode((asked, False, False, False, no_tags)))
    return Question(_METADATA, body, _metadata, flexible=True)


def _metadata(answer: memoryview) -> Metadata:
    _, brokers, _, _, topics, *_ = _ANSWERED.decode(BytesIO(answer))
    return Metadata(
        {number: Broker(host, port) for number, host, port, *_ in brokers},
        {name: _live(code, (high, low), parts) for code, name, high, low, _, parts, *_ in topics},
    )


def _live(code: int, identity: tuple[int, int], partitions: list[Any]) -> LiveTopic:
    leaders = {number: leader for _, number, leader, *_ in partitions}
    copies = min((len(replicas) for _, _, _, _, replicas, *_ in partitions), default=0)
    return LiveTopic(code, identity, leaders, copies)


def ask_offset(topic: str, partition: int, which: int) -> Any:
    """`EARLIEST` or `LATEST`."""
    return OffsetRequest(_NO_REPLICA, _READ_UNCOMMITTED, [(topic, [(partition, which)])])


def offset_answer(answer: Any) -> tuple[int, int]:
    """(error code, offset)."""
    (_, [(_, code, _, offset)]) = _only(answer.topics)
    return code, offset


def ask_producer_id() -> Any:
    """An id for a producer without transactions; the timeout means nothing then."""
    return InitProducerIdRequest(None, _NO_TRANSACTION_MS)


def producer_id(answer: Any) -> tuple[int, int, int]:
    """(error code, producer id, epoch)."""
    return answer.error_code, answer.producer_id, answer.producer_epoch


def ask_trim(topic: str, partition: int, before: int, within_s: float) -> Any:
    """Let the records below `before` go."""
    return DeleteRecordsRequest([(topic, [(partition, before)])], int(within_s * MS_PER_S))


def trimmed(answer: Any) -> tuple[int, int]:
    """(error code, oldest offset kept)."""
    (_, [(_, oldest, code, *_)], *_) = _only(answer.topics)
    return code, oldest


def _only(topics: list[Any]) -> Any:
    if len(topics) != 1 or len(topics[0][1]) != 1:
        raise LogTrouble("a broker answered something else than it was asked")
    return topics[0]
