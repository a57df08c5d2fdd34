"""The log on a broker that dies, comes back, freezes and is cut off; the broker is this file's own."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from empty_broker import replaced
from guarded_kafka import PASSWORD, SCRAM, USERNAME, Authority, GuardedKafka
from msgspec import structs
from prometheus_client import CollectorRegistry

from sps.eventlog import kafka_follower, kafka_topics, kafka_writer
from sps.eventlog.conformance import values
from sps.eventlog.kafka import KafkaLog
from sps.eventlog.kafka_batches import build
from sps.eventlog.kafka_question import ask_produce
from sps.eventlog.kafka_requests import INVALID_PRODUCER_EPOCH
from sps.eventlog.kafka_security import KafkaSecurity
from sps.eventlog.port import LogRefused, LogTrouble, NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS, RECORD_BYTES_MAX, TOPICS
from sps.runtime.metrics import LogMetrics
from sps_cli.servers.proxy import Proxy

PATIENCE_S = 60.0
SLACK_S = 10.0
"""On a busy machine, beyond every bound that is tested."""
USED = {name: TOPICS[name] for name in (CONSENSUS, BLOCKS)}
WRITERS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[GuardedKafka, Proxy]]:
    """With a proxy, not started, in front of a listener of its own."""
    server = GuardedKafka(tmp_path_factory.mktemp("kafka-outage"))
    proxy = server.proxied()
    await server.start()
    yield server, proxy
    await server.stop()


@pytest_asyncio.fixture
async def server(broker: tuple[GuardedKafka, Proxy], kafka_prefix: str) -> AsyncIterator[GuardedKafka]:
    """Alive before and after each test, with topics of the test's own."""
    server = broker[0]
    address = f"kafka://{server.address}?prefix={kafka_prefix}"

    async def made() -> bool:
        """A broker that was frozen is not trusted with topics for a moment."""
        with contextlib.suppress(LogTrouble, LogRefused):
            await kafka_topics.apply(address, replication=1, topics=USED)
            return await kafka_topics.differences(address, topics=USED) == []
        return False

    await eventually(made)
    yield server
    server.resume()
    if not server.alive:
        await server.start()


class Writing:
    """Writers that number their records and repeat what is not acknowledged until it is."""

    def __init__(self, logs: list[KafkaLog]) -> None:
        self.logs = logs
        self.acknowledged: list[list[str]] = [[] for _ in range(WRITERS)]
        self.troubles = 0
        self.slowest_s = 0.0
        self.over = False

    async def write(self, writer: int) -> None:
        log = self.logs[writer % len(self.logs)]
        number = 0
        while not self.over:
            value = f"{writer}:{number}"
            began = time.monotonic()
            try:
                await log.append(BLOCKS, 0, [NewRecord(b"", value.encode())])
            except LogTrouble:
                self.troubles += 1
            else:
                self.acknowledged[writer].append(value)
                number += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            await asyncio.sleep(0.002)

    def check(self, found: list[str]) -> None:
        """Nothing acknowledged is missing, and what each writer wrote first stands first."""
        first: dict[str, int] = {}
        for place, value in enumerate(found):
            first.setdefault(value, place)
        for writer, values_ in enumerate(self.acknowledged):
            assert not set(values_) - set(first), f"writer {writer} lost acknowledged records"
            places = [first[value] for value in values_]
            assert places == sorted(places), f"the records of writer {writer} changed their order"
        assert self.slowest_s < kafka_writer.APPEND_S + SLACK_S


async def opened(server: str, prefix: str, metrics: LogMetrics | None = None) -> KafkaLog:
    """As a process does it: what is trouble at the start is tried again."""
    log = KafkaLog([server], prefix=prefix, topics=USED, metrics=metrics)

    async def started() -> bool:
        with contextlib.suppress(LogTrouble):
            await log.start()
            return True
        return False

    await eventually(started)
    return log


async def silence(log: KafkaLog) -> None:
    """For ever, unless a read raises."""
    while True:
        assert await log.read(BLOCKS, 0, 1, wait_s=0.2) == []


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def killed(server: GuardedKafka, doomed: KafkaLog) -> None:
    """Another handle is stopped while the broker is dead."""
    reading = asyncio.create_task(doomed.read(CONSENSUS, 0, 1, wait_s=60.0))
    await asyncio.sleep(0.1)
    await server.kill()
    began = time.monotonic()
    with pytest.raises(LogTrouble):
        await doomed.append(CONSENSUS, 0, [NewRecord(b"", b"not known")])
    assert time.monotonic() - began < kafka_writer.APPEND_S + SLACK_S
    waiting = asyncio.create_task(doomed.append(CONSENSUS, 0, [NewRecord(b"", b"waits")]))
    await asyncio.sleep(0.05)
    stopped = time.monotonic()
    await doomed.stop()
    assert time.monotonic() - stopped < kafka_writer.DRAIN_S + SLACK_S
    outcomes = await asyncio.gather(reading, waiting, return_exceptions=True)
    assert all(isinstance(outcome, LogTrouble) for outcome in outcomes)
    await asyncio.sleep(max(0.0, began + 3.0 - time.monotonic()))
    await server.start()


async def paused(server: GuardedKafka, doomed: KafkaLog) -> None:
    server.pause()
    await asyncio.sleep(3)
    server.resume()
    await doomed.stop()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [killed, paused])
async def test_what_was_acknowledged_outlives_the_broker_once_or_more_and_in_order(
    server: GuardedKafka,
    kafka_prefix: str,
    fault: Callable[[GuardedKafka, KafkaLog], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = asyncio.all_tasks()
    doomed, *logs = [await opened(server.address, kafka_prefix) for _ in range(3)]
    await doomed.append(CONSENSUS, 0, [NewRecord(b"", b"before")])
    monkeypatch.setattr(kafka_writer, "APPEND_S", 2.0)
    writing = Writing(logs)
    seen: list[str] = []

    async def follow() -> None:
        while True:
            try:
                records = await logs[0].read(BLOCKS, 0, len(seen), wait_s=1.0)
                seen.extend(record.value.decode() for record in records)
            except LogTrouble:
                await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(writing.write(writer)) for writer in range(WRITERS)]
    reading = asyncio.create_task(follow())
    await asyncio.sleep(1)
    await fault(server, doomed)
    acknowledged = sum(map(len, writing.acknowledged))

    async def flows() -> bool:
        return sum(map(len, writing.acknowledged)) > acknowledged + 10 * WRITERS

    await eventually(flows)
    writing.over = True
    await asyncio.gather(*tasks)
    found = await values(logs[1], BLOCKS, 0)
    writing.check(found)
    assert await values(logs[1], CONSENSUS, 0) == ["before"]

    async def followed() -> bool:
        return seen == found

    await eventually(followed)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    for log in logs:
        await log.stop()
    assert asyncio.all_tasks() == before


async def test_a_frozen_broker_holds_up_neither_appends_nor_stop(
    server: GuardedKafka, kafka_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asyncio.all_tasks()
    log = await opened(server.address, kafka_prefix)
    await log.append(BLOCKS, 0, [NewRecord(b"", b"before")])
    monkeypatch.setattr(kafka_writer, "APPEND_S", 1.0)
    server.pause()
    began = time.monotonic()
    with pytest.raises(LogTrouble, match="not acknowledged"):
        await log.append(BLOCKS, 0, [NewRecord(b"", b"not known")])
    waiting = asyncio.create_task(log.bounds(BLOCKS, 0))
    await asyncio.sleep(0.05)
    await log.stop()
    assert time.monotonic() - began < 1.0 + kafka_writer.DRAIN_S + SLACK_S
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], LogTrouble)
    assert asyncio.all_tasks() == before


async def test_what_a_given_up_append_left_on_its_way_is_refused_once_the_next_one_is_there(
    server: GuardedKafka,
    broker: tuple[GuardedKafka, Proxy],
    kafka_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = broker[1]
    await proxy.start()
    log = await opened(proxy.address, kafka_prefix)
    await log.append(BLOCKS, 0, [NewRecord(b"", b"a")])
    writer = log._writers[BLOCKS, 0]
    old = writer._producer
    assert old is not None
    proxy.drop_answers()
    monkeypatch.setattr(kafka_writer, "APPEND_S", 1.0)
    with pytest.raises(LogTrouble):
        await log.append(BLOCKS, 0, [NewRecord(b"", b"b")])
    await proxy.heal()
    monkeypatch.setattr(kafka_writer, "APPEND_S", PATIENCE_S)
    await log.append(BLOCKS, 0, [NewRecord(b"", b"c")])
    late = build(TOPICS[BLOCKS], [NewRecord(b"", b"late")], old)
    answer = await writer._line.ask(ask_produce(kafka_prefix + BLOCKS, 0, late, 1.0), 3.0)
    assert answer.code == INVALID_PRODUCER_EPOCH
    found = await values(log, BLOCKS, 0)
    assert found in (["a", "b", "c"], ["a", "c"])  # whether it had arrived is what nobody knew
    await log.stop()
    await proxy.stop()


async def test_an_empty_broker_does_not_take_one_producer_for_another(
    server: GuardedKafka, kafka_prefix: str
) -> None:
    """It gives the ids out from the first again, and takes a number that it has seen for a repetition."""
    address = f"kafka://{server.address}?prefix={kafka_prefix}"
    old = await opened(server.address, kafka_prefix)
    await old.append(BLOCKS, 0, [NewRecord(b"", b"lost")])
    await replaced(server)
    await kafka_topics.apply(address, replication=1, topics=USED)
    new = await opened(server.address, kafka_prefix)
    await new.append(BLOCKS, 0, [NewRecord(b"", b"a")])
    mine, its = old._writers[BLOCKS, 0], new._writers[BLOCKS, 0]
    assert its._producer is not None
    mine._producer = its._producer  # as it would be, had both been the first to ask
    assert await old.append(BLOCKS, 0, [NewRecord(b"", b"b")]) == 1
    assert await new.append(BLOCKS, 0, [NewRecord(b"", b"c")]) == 2
    assert await values(new, BLOCKS, 0) == ["a", "b", "c"]
    await old.stop()
    await new.stop()


async def test_a_lost_answer_does_not_write_twice_when_it_is_repeated_in_time(
    server: GuardedKafka,
    broker: tuple[GuardedKafka, Proxy],
    kafka_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kafka_writer, "APPEND_S", PATIENCE_S)
    monkeypatch.setattr(kafka_writer, "TRY_S", 1.0)
    proxy = broker[1]
    await proxy.start()
    log = await opened(proxy.address, kafka_prefix)
    await log.append(BLOCKS, 0, [NewRecord(b"", b"a")])
    proxy.drop_answers()
    appending = asyncio.create_task(log.append(BLOCKS, 0, [NewRecord(b"", b"b")]))
    await asyncio.sleep(0.3)
    await proxy.heal()
    assert await appending == 1
    assert await values(log, BLOCKS, 0) == ["a", "b"]
    await log.stop()
    await proxy.stop()


async def test_a_reader_is_told_that_the_broker_is_away_and_goes_on_when_it_is_back(
    server: GuardedKafka,
    broker: tuple[GuardedKafka, Proxy],
    kafka_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy, metrics = broker[1], LogMetrics(registry := CollectorRegistry())
    await proxy.start()
    log = await opened(proxy.address, kafka_prefix, metrics)
    await log.append(BLOCKS, 0, [NewRecord(b"", b"a")])
    assert len(await log.read(BLOCKS, 0, 0, wait_s=1.0)) == 1
    assert await log.read(BLOCKS, 0, 1, wait_s=0.1) == []
    monkeypatch.setattr(kafka_follower, "LOST_S", 0.5)
    await proxy.cut()
    began = time.monotonic()
    with pytest.raises(LogTrouble):
        await silence(log)
    assert 0.5 < time.monotonic() - began < 0.5 + kafka_follower.RETRY_LONGEST_S + SLACK_S
    with pytest.raises(LogTrouble):
        await log.read(BLOCKS, 0, 1, wait_s=60.0)
    labels = {"topic": BLOCKS, "partition": "0"}
    assert registry.get_sample_value("sps_event_log_unreachable", labels) == 1
    other = await opened(server.address, kafka_prefix)
    await other.append(BLOCKS, 0, [NewRecord(b"", b"b")])
    await proxy.heal()
    news: list[bytes] = []

    async def arrived() -> bool:
        with contextlib.suppress(LogTrouble):
            news.extend(record.value for record in await log.read(BLOCKS, 0, 1, wait_s=0.1))
        return bool(news)

    await eventually(arrived)
    assert news == [b"b"]
    assert registry.get_sample_value("sps_event_log_unreachable", labels) == 0
    await log.stop()
    await other.stop()
    await proxy.stop()


async def test_a_silent_broker_is_trouble_and_not_an_end(
    server: GuardedKafka,
    broker: tuple[GuardedKafka, Proxy],
    kafka_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kafka_follower, "FETCH_WAIT_S", 0.3)
    proxy = broker[1]
    await proxy.start()
    log = await opened(proxy.address, kafka_prefix)
    assert await log.read(BLOCKS, 0, 0, wait_s=0.1) == []
    monkeypatch.setattr(kafka_follower, "OVERDUE_S", 0.3)
    proxy.hold()
    with pytest.raises(LogTrouble, match="no answer"):
        await log.read(BLOCKS, 0, 0, wait_s=10.0)
    await proxy.heal()
    await log.stop()
    await proxy.stop()


def _let_in(server: GuardedKafka, mechanism: str = "PLAIN") -> KafkaSecurity:
    certificate, key = server.authority.issue("client")
    ca_file = str(server.authority.ca_file)
    return KafkaSecurity(True, ca_file, str(certificate), str(key), mechanism, USERNAME, PASSWORD)


async def test_a_broker_that_wants_proof_gets_it_on_every_connection(
    server: GuardedKafka, kafka_prefix: str
) -> None:
    security = _let_in(server)
    address = f"kafka://{server.guarded}?prefix={kafka_prefix}"
    assert await kafka_topics.differences(address, security=security, topics=USED) == []
    log = KafkaLog([server.guarded], prefix=kafka_prefix, topics=USED, security=security)
    await log.start()
    reading = asyncio.create_task(log.read(BLOCKS, 0, 0, wait_s=10.0))
    await log.append(BLOCKS, 0, [NewRecord(b"", os.urandom(RECORD_BYTES_MAX))])
    assert len((await reading)[0].value) == RECORD_BYTES_MAX
    assert await log.bounds(BLOCKS, 0) == (0, 1)
    await log.stop()


async def test_a_broker_that_lets_us_not_in_is_a_refusal(
    server: GuardedKafka, kafka_prefix: str, tmp_path: Path
) -> None:
    good = _let_in(server)
    stranger = Authority(tmp_path, "stranger")
    certificate, key = map(str, stranger.issue("client"))
    before = asyncio.all_tasks()
    for bad in (
        structs.replace(good, password="another"),
        structs.replace(good, username="mallory", sasl_mechanism=SCRAM),
        structs.replace(good, sasl_mechanism="SCRAM-SHA-256"),
        structs.replace(good, ca_file=str(stranger.ca_file)),
        structs.replace(good, certificate_file=certificate, key_file=key),
        structs.replace(good, certificate_file="", key_file=""),
    ):
        log = KafkaLog([server.guarded], prefix=kafka_prefix, topics=USED, security=bad)
        with pytest.raises(LogRefused):
            await log.start()
    assert asyncio.all_tasks() == before
