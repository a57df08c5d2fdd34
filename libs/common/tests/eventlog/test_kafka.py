"""The log on a real broker beyond the suite: strangers on the topics, topics that differ, memory, connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec import structs
from prometheus_client import CollectorRegistry

from sps.eventlog import kafka_follower, kafka_topics
from sps.eventlog.conformance import values
from sps.eventlog.kafka import KafkaLog
from sps.eventlog.kafka_topics import TopicMismatch, topic_settings
from sps.eventlog.kafka_writer import EPOCH_MAX, SEQUENCE_END
from sps.eventlog.port import LogTrouble, NewRecord, OffsetGone
from sps.eventlog.topics import BLOCKS, CONSENSUS, TOPICS, TRANSACTIONS, Topic, in_sync_min
from sps.runtime.metrics import LogMetrics
from sps_cli.servers.kafka import KafkaServer

USED = {name: TOPICS[name] for name in (CONSENSUS, BLOCKS)}
KIB = 1024


class Desk:
    """A log on fresh topics, and what it says of itself."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.servers, self.prefix = servers, prefix
        self.address = f"kafka://{servers}?prefix={prefix}"
        self.registry = CollectorRegistry()
        self.log = self.another(LogMetrics(self.registry))

    def another(self, metrics: LogMetrics | None = None) -> KafkaLog:
        return KafkaLog([self.servers], prefix=self.prefix, topics=USED, metrics=metrics)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    async def admin(self) -> AIOKafkaAdminClient:
        client = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await client.start()
        return client


@pytest_asyncio.fixture
async def desk(kafka_server: KafkaServer, kafka_prefix: str) -> AsyncIterator[Desk]:
    desk = Desk(kafka_server.address, kafka_prefix)
    await kafka_topics.apply(desk.address, replication=1, topics=USED)
    await desk.log.start()
    yield desk
    await desk.log.stop()


def new(value: bytes) -> NewRecord:
    return NewRecord(b"", value)


async def test_records_of_strangers_do_not_hold_up_a_reader(desk: Desk) -> None:
    name = desk.prefix + BLOCKS
    await desk.log.append(BLOCKS, 0, [new(b"first")])
    bomb = AIOKafkaProducer(
        bootstrap_servers=desk.servers, compression_type="zstd", max_request_size=2**27, max_batch_size=2**27
    )
    await bomb.start()
    await bomb.send_and_wait(name, bytes(8 * KIB * KIB), partition=0)
    await bomb.send_and_wait(name, key=b"k", value=None, headers=[("h", None)], partition=0)
    await bomb.stop()
    await desk.log.append(BLOCKS, 0, [new(b"last")])
    assert await desk.log.bounds(BLOCKS, 0) == (0, 4)
    records = await desk.log.read(BLOCKS, 0, 0)
    assert [(r.offset, r.key, r.value, r.headers) for r in records] == [
        (0, b"", b"first", ()),
        (2, b"k", b"", (("h", b""),)),
        (3, b"", b"last", ()),
    ]
    assert [record.offset for record in await desk.log.read(BLOCKS, 0, 1)] == [2, 3]
    assert desk.metric("sps_event_log_unreadable_total", topic=BLOCKS) == 1


async def test_offsets_that_hold_no_record_are_passed_over_even_at_the_end(desk: Desk) -> None:
    """A transaction's end takes an offset."""
    name = desk.prefix + BLOCKS
    stranger = AIOKafkaProducer(bootstrap_servers=desk.servers, transactional_id=desk.prefix)
    await stranger.start()
    async with stranger.transaction():
        await stranger.send_and_wait(name, b"theirs", partition=0)
    await stranger.stop()
    for _ in range(500):  # the marker comes a moment after the answer
        if await desk.log.bounds(BLOCKS, 0) == (0, 2):
            break
        await asyncio.sleep(0.02)
    assert await desk.log.bounds(BLOCKS, 0) == (0, 2)
    assert [r.value for r in await desk.log.read(BLOCKS, 0, 0)] == [b"theirs"]
    assert await desk.log.read(BLOCKS, 0, 1) == []
    reading = asyncio.create_task(desk.log.read(BLOCKS, 0, 1, wait_s=10.0))
    await asyncio.sleep(0.2)
    assert not reading.done()
    await desk.log.append(BLOCKS, 0, [new(b"ours")])
    assert [(r.offset, r.value) for r in await reading] == [(2, b"ours")]


async def test_a_reader_who_is_slow_is_waited_for_and_misses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_follower, "AHEAD_BYTES", 64 * KIB)
    monkeypatch.setattr(kafka_follower, "FETCH_BYTES", 64 * KIB)
    assert await desk.log.read(CONSENSUS, 0, 0, wait_s=0.1) == []
    count = 60
    for number in range(count):
        await desk.log.append(CONSENSUS, 0, [new(number.to_bytes(2, "big") * 8 * KIB)])
    await asyncio.sleep(0.2)
    follower = desk.log._readers[CONSENSUS, 0]._follower
    assert follower is not None
    assert follower.lane.next < 12
    found: list[int] = []
    while len(found) < count:
        records = await desk.log.read(CONSENSUS, 0, len(found), limit=7, wait_s=5.0)
        found += [record.offset for record in records]
        lag = desk.metric("sps_consumer_lag_records", topic=CONSENSUS, partition="0")
        assert lag == count - len(found) or lag < count
    assert found == list(range(count))
    assert lag == 0


async def test_a_reader_who_is_behind_reads_pages_while_another_follows(desk: Desk) -> None:
    for number in range(3):
        await desk.log.append(BLOCKS, 0, [new(bytes([number, part])) for part in range(200)])
    end = (await desk.log.bounds(BLOCKS, 0))[1]
    following = asyncio.create_task(desk.log.read(BLOCKS, 0, end, wait_s=10.0))
    await asyncio.sleep(0.1)
    found: list[int] = []
    while len(found) < end:
        found += [record.offset for record in await desk.log.read(BLOCKS, 0, len(found), limit=7)]
    assert found == list(range(end))
    await desk.log.append(BLOCKS, 0, [new(b"news")])
    assert [record.value for record in await following] == [b"news"]


async def test_nobody_follows_for_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_follower, "IDLE_S", 0.2)
    monkeypatch.setattr(kafka_follower, "FETCH_WAIT_S", 0.1)
    assert await desk.log.read(BLOCKS, 0, 0, wait_s=0.5) == []
    follower = desk.log._readers[BLOCKS, 0]._follower
    assert follower is not None
    assert not follower.over
    await asyncio.sleep(0.6)
    assert follower.over
    await desk.log.append(BLOCKS, 0, [new(b"a")])
    assert [record.value for record in await desk.log.read(BLOCKS, 0, 0, wait_s=5.0)] == [b"a"]


async def test_a_topic_that_was_made_anew_is_an_alarm_and_not_a_silence(desk: Desk) -> None:
    await desk.log.append(BLOCKS, 0, [new(b"a"), new(b"b")])
    assert len(await desk.log.read(BLOCKS, 0, 0)) == 2
    reading = asyncio.create_task(desk.log.read(BLOCKS, 0, 2, wait_s=30.0))
    await asyncio.sleep(0.1)
    admin = await desk.admin()
    await admin.delete_topics([desk.prefix + BLOCKS])
    for _ in range(100):
        if await kafka_topics.apply(desk.address, replication=1, topics=USED):
            break
        await asyncio.sleep(0.05)
    await admin.close()
    another = desk.another()
    await another.start()
    await another.append(BLOCKS, 0, [new(b"another")] * 5)
    await another.stop()
    with pytest.raises(OffsetGone) as gone:
        await reading
    assert gone.value.start == 0
    assert desk.metric("sps_event_log_resets_total", topic=BLOCKS) == 1
    assert await values(desk.log, BLOCKS, 0) == ["another"] * 5


async def test_a_log_that_shrank_is_gone_for_whoever_was_further(desk: Desk) -> None:
    await desk.log.append(BLOCKS, 0, [new(b"a")] * 5)
    assert await desk.log.bounds(BLOCKS, 0) == (0, 5)
    admin = await desk.admin()
    await admin.delete_topics([desk.prefix + BLOCKS])
    for _ in range(100):
        if await kafka_topics.apply(desk.address, replication=1, topics=USED):
            break
        await asyncio.sleep(0.05)
    await admin.close()
    for offset in (4, 5, 1):
        with pytest.raises(OffsetGone):
            await desk.log.read(BLOCKS, 0, offset, wait_s=0.1)
    assert await desk.log.read(BLOCKS, 0, 6, wait_s=0.1) == []
    assert await desk.log.append(BLOCKS, 0, [new(b"b")]) == 0


async def test_servers_that_are_not_there_do_not_matter_while_one_is(desk: Desk) -> None:
    log = KafkaLog(["127.0.0.1:1", desk.servers, "127.0.0.1:2"], prefix=desk.prefix, topics=USED)
    await log.start()
    assert await log.append(BLOCKS, 0, [new(b"a")]) == 0
    await log.stop()


async def test_a_broker_that_forgot_us_is_trouble_once(desk: Desk) -> None:
    await desk.log.append(BLOCKS, 0, [new(b"a")])
    writer = desk.log._writers[BLOCKS, 0]
    assert writer._producer is not None
    writer._producer = structs.replace(writer._producer, sequence=7)
    with pytest.raises(LogTrouble, match="OutOfOrderSequence"):
        await desk.log.append(BLOCKS, 0, [new(b"b")])
    assert await desk.log.append(BLOCKS, 0, [new(b"c")]) == 1


async def test_a_producer_whose_epochs_are_used_up_gets_another_id(desk: Desk) -> None:
    await desk.log.append(BLOCKS, 0, [new(b"a")])
    writer = desk.log._writers[BLOCKS, 0]
    assert writer._producer is not None
    writer._producer = structs.replace(writer._producer, epoch=EPOCH_MAX, sequence=0)
    await desk.log.append(BLOCKS, 0, [new(b"b")])
    writer._give_up([], LogTrouble("for the test"))
    assert writer._producer is None
    assert await desk.log.append(BLOCKS, 0, [new(b"c")]) == 2


async def test_numbers_of_records_begin_anew_after_the_largest(desk: Desk) -> None:
    await desk.log.append(BLOCKS, 0, [new(b"a")])
    writer = desk.log._writers[BLOCKS, 0]
    writer._producer = structs.replace(writer._producer, sequence=SEQUENCE_END - 1)
    writer._advance(3)
    assert writer._producer.sequence == 2


async def test_a_defect_while_following_is_told_to_the_reader(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    assert await desk.log.read(BLOCKS, 0, 0, wait_s=0.1) == []
    monkeypatch.setattr(kafka_follower, "read_page", broken)
    reading = asyncio.create_task(desk.log.read(BLOCKS, 0, 0, wait_s=10.0))
    await asyncio.sleep(0)
    await desk.log.append(BLOCKS, 0, [new(b"a")])
    with pytest.raises(ZeroDivisionError):
        await reading


async def test_appends_and_reads_are_counted(desk: Desk) -> None:
    await desk.log.append(BLOCKS, 0, [new(b"a"), new(b"b")])
    assert desk.metric("sps_events_published_total", topic=BLOCKS, result="ok") == 2
    assert desk.metric("sps_event_publish_duration_seconds_count", topic=BLOCKS) == 1
    await desk.log.read(BLOCKS, 0, 0, limit=1)
    assert desk.metric("sps_consumer_lag_records", topic=BLOCKS, partition="0") == 1


async def test_topics_are_made_once_and_then_left_alone(kafka_server: KafkaServer, kafka_prefix: str) -> None:
    address = f"kafka://{kafka_server.address}?prefix={kafka_prefix}"
    assert len(await kafka_topics.differences(address, topics=USED)) == len(USED)
    made = await kafka_topics.apply(address, replication=1, topics=USED)
    assert made == [kafka_prefix + name for name in USED]
    assert await kafka_topics.apply(address, replication=1, topics=USED) == []
    assert await kafka_topics.differences(address, topics=USED) == []


async def test_a_log_whose_topics_differ_refuses_to_start_and_says_all(
    kafka_server: KafkaServer, kafka_prefix: str
) -> None:
    desk = Desk(kafka_server.address, kafka_prefix)
    admin = await desk.admin()
    settings = {
        "cleanup.policy": "compact",
        "retention.ms": "5",
        "retention.bytes": "7",
        "max.message.bytes": "100000",
        "compression.type": "gzip",
        "message.timestamp.type": "CreateTime",
        "unclean.leader.election.enable": "true",
        "min.insync.replicas": "2",
    }
    await admin.create_topics([NewTopic(kafka_prefix + BLOCKS, 3, 1, topic_configs=settings)])
    await admin.close()
    for _ in range(500):  # the controller answers before its broker knows
        if len(await kafka_topics.differences(desk.address, topics=USED)) > len(USED):
            break
        await asyncio.sleep(0.02)
    with pytest.raises(TopicMismatch) as raised:
        await desk.another().start()
    said = raised.value.differences
    assert any(CONSENSUS in line and "no such topic" in line for line in said)
    assert any("3 partitions, wanted 1" in line for line in said)
    for key in settings:
        assert any(f"{key} is" in line for line in said), key
    said = await kafka_topics.differences(desk.address, replication=3, topics=USED)
    assert any("replication 1, wanted at least 3" in line for line in said)
    assert await kafka_topics.apply(desk.address, replication=1, topics=USED) == [kafka_prefix + CONSENSUS]
    assert any("3 partitions" in line for line in await kafka_topics.differences(desk.address, topics=USED))


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_from_three_copies_on_two_must_be_in_sync(replication: int, in_sync: str) -> None:
    assert topic_settings(TOPICS[BLOCKS], replication)["min.insync.replicas"] == in_sync
    assert str(in_sync_min(replication)) == in_sync


def test_the_table_says_what_a_live_topic_must_have() -> None:
    settings = {name: topic_settings(topic, 3) for name, topic in TOPICS.items()}
    assert settings[CONSENSUS]["compression.type"] == "uncompressed"
    assert settings[TRANSACTIONS]["compression.type"] == "zstd"
    assert {each["retention.ms"] for name, each in settings.items() if name != CONSENSUS} == {"-1"}
    assert {each["cleanup.policy"] for each in settings.values()} == {"delete"}
    assert int(settings[CONSENSUS]["retention.ms"]) == TOPICS[CONSENSUS].retention_ms
    other = structs.replace(TOPICS[BLOCKS], retention_ms=5)
    assert isinstance(other, Topic)
    assert topic_settings(other, 1)["retention.ms"] == "5"
