"""A broker of our own: killed, paused and cut off, it is the same broker with the same records afterwards."""

import asyncio
import logging
from contextlib import asynccontextmanager

import aiokafka.errors
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from sps.runtime.errors import Refusal, Trouble
from sps_cli.servers import ports
from sps_cli.servers.child import Child
from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.kafka_settings import properties

SEND_S = 30.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory):
    """A broker of these tests, and a proxy in front of it that is not started yet."""
    server = KafkaServer(tmp_path_factory.mktemp("own") / "kafka")
    proxy = server.proxied()
    await server.start()
    yield server, proxy
    await server.stop()


@pytest_asyncio.fixture
async def kafka(running):
    await running[0].start()
    return running[0]


@pytest_asyncio.fixture
async def topic(kafka, kafka_prefix):
    """The name of an empty topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(kafka_prefix, 1, 1)])
    finally:
        await admin.close()
    return kafka_prefix


@pytest.fixture(autouse=True)
def quiet(caplog):
    """The client complains about each connection that is refused, and refused they are."""
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.producer.sender"):
        caplog.set_level(logging.CRITICAL, logger=name)


@asynccontextmanager
async def producer(address):
    client = AIOKafkaProducer(bootstrap_servers=address, acks="all", request_timeout_ms=3_000)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def send(client, topic, value):
    async with asyncio.timeout(SEND_S):
        while True:
            try:
                return await client.send_and_wait(topic, value)
            except aiokafka.errors.KafkaError:
                await asyncio.sleep(0.1)


async def records(address, topic):
    partition = TopicPartition(topic, 0)
    reader = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
    await reader.start()
    try:
        reader.assign([partition])
        end = (await reader.end_offsets([partition]))[partition]
        found = []
        while len(found) < end:
            found += [
                each.value for each in (await reader.getmany(partition, timeout_ms=1_000)).get(partition, [])
            ]
        return found
    finally:
        await reader.stop()


@pytest.mark.slow
async def test_killed_stopped_and_started_again_it_has_its_records_at_its_address(kafka, topic):
    address = kafka.address
    async with producer(address) as client:
        await send(client, topic, b"before")
        await kafka.kill()
        assert not kafka.alive
        assert not await kafka.answers()
        await kafka.start()
        await send(client, topic, b"between")
    await kafka.restart()
    async with producer(address) as client:
        await send(client, topic, b"after")
    assert kafka.address == address
    found = await records(address, topic)
    assert sorted(set(found)) == [b"after", b"before", b"between"]
    assert found[0] == b"before"
    assert found[-1] == b"after"


@pytest.mark.slow
async def test_paused_it_does_not_answer_and_resumed_it_goes_on(kafka, topic):
    async with producer(kafka.address) as client:
        kafka.pause()
        late = asyncio.create_task(send(client, topic, b"late"))
        assert not await kafka.answers()
        assert kafka.alive
        assert not late.done()
        kafka.resume()
        await late
    assert b"late" in await records(kafka.address, topic)


@pytest.mark.slow
async def test_only_the_clients_of_a_proxy_feel_its_weather(running, kafka, topic):
    proxy = running[1]
    await proxy.start()
    try:
        async with producer(proxy.address) as far, producer(kafka.address) as near:
            await send(far, topic, b"1")
            known = proxy.connections
            assert known > 0
            await proxy.cut()
            await send(near, topic, b"2")
            late = asyncio.create_task(send(far, topic, b"3"))
            await asyncio.sleep(0.3)
            assert not late.done()
            await proxy.heal()
            await late
        assert set(await records(kafka.address, topic)) == {b"1", b"2", b"3"}
    finally:
        await proxy.stop()


def test_another_server_on_the_same_folder_has_the_same_ports(tmp_path):
    first, second = KafkaServer(tmp_path), KafkaServer(tmp_path)
    assert first.address == second.address
    assert KafkaServer(tmp_path, port=29_092).address == "127.0.0.1:29092"
    assert KafkaServer(tmp_path / "other").address != first.address


async def test_it_does_not_start_on_a_port_of_somebody_else(tmp_path):
    port = ports.free_port()
    squatter = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    async with squatter:
        with pytest.raises(Refusal, match="PORT_TAKEN"):
            await KafkaServer(tmp_path, port=port).start()


async def test_one_that_ends_at_its_start_says_why(tmp_path, monkeypatch):
    server = KafkaServer(tmp_path)

    async def broken():
        return Child(["sh", "-c", "echo the disk is full; exit 1"], server.log)

    monkeypatch.setattr(server, "_prepare", broken)
    with pytest.raises(Trouble, match="the disk is full"):
        await server.start()
    assert not server.alive


async def test_a_broker_that_was_given_is_used_and_left_alone(kafka, tmp_path):
    given = KafkaServer(tmp_path / "none", given=kafka.address)
    await given.start()
    assert given.alive
    assert given.address == kafka.address
    assert not (tmp_path / "none").exists()
    for harm in (given.pause, given.resume, given.proxied):
        with pytest.raises(Refusal):
            harm()
    for harm in (given.kill, given.restart):
        with pytest.raises(Refusal, match="NOT_OURS"):
            await harm()
    await given.stop()
    assert await kafka.answers()


def test_a_listener_for_a_proxy_has_its_own_name_and_is_advertised_at_the_proxy(tmp_path):
    server = KafkaServer(tmp_path, advertised_port=777)
    own = server.behind.rpartition(":")[2]
    lines = properties(tmp_path, 1, 2, {int(own): 777}).splitlines()
    assert f"listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2,PROXY0://127.0.0.1:{own}" in lines
    assert "advertised.listeners=PLAINTEXT://127.0.0.1:1,PROXY0://127.0.0.1:777" in lines
