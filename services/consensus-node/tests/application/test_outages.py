"""A log that is away for a while, or in part: blocks still reach their topic, and nobody sleeps long afterwards."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chain_kit import make_genesis
from middleman import FailingLog
from node_kit import QUICK, Town, eventually
from runtime_kit import SilentPeers, new_database

from consensus_node.adapters import publisher
from consensus_node.application.node import BACKOFF
from sps.chain.block import decode_committed
from sps.eventlog.memory import MemoryLog
from sps.eventlog.topics import BLOCKS, CONSENSUS, TOPICS, TRANSACTIONS
from sps.runtime import follower as follower_module
from sps.runtime.follower import Follower, NoProjection
from sps.runtime.lifecycle import Supervisor
from sps.runtime.peers import Peers

AGAIN_S = 1.0
"""Loops try again at least this often."""


class WatchedLog(FailingLog):
    """Notes which partitions are read."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log)
        self.reads: Counter[tuple[str, int]] = Counter()

    async def read(self, topic, partition, offset, *, limit=500, wait_s=0.0):
        self.reads[topic, partition] += 1
        return await super().read(topic, partition, offset, limit=limit, wait_s=wait_s)


@pytest.fixture
async def real() -> AsyncIterator[MemoryLog]:
    made = MemoryLog()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def log(real: MemoryLog) -> WatchedLog:
    return WatchedLog(real)


@pytest.fixture
async def town(tmp_path: Path, log: WatchedLog) -> AsyncIterator[Town]:
    made = Town(tmp_path, log)
    yield made
    await made.down()


async def heights_on(log: MemoryLog) -> Counter[int]:
    """How often each height stands on the blocks topic."""
    records = await log.read(BLOCKS, 0, 0, limit=10_000)
    return Counter(decode_committed(record.value).header.height for record in records)


async def grow(town: Town, height: int, *, sent: int = 0) -> int:
    """One batch after the other until the chain is so long; returns how many were sent in all."""
    while town.nodes[0].final_height < height:
        await town.send(b"%d" % sent)
        sent += 1
        await ordered(town, sent)
    await town.agree(sent)
    return sent


async def ordered(town: Town, sent: int) -> None:
    await eventually(lambda: town.ordered(town.nodes[0]) >= sent, town.report)


async def test_only_the_lanes_of_the_genesis_are_read(town: Town, log: WatchedLog) -> None:
    await town.all_up()
    await town.send(b"1")
    await town.agree(1)
    producers = {producer.id % TOPICS[TRANSACTIONS].partitions for producer in town.genesis.producers}
    assert {partition for topic, partition in log.reads if topic == TRANSACTIONS} == producers
    assert {topic for topic, _ in log.reads} == {TRANSACTIONS, CONSENSUS, BLOCKS}


async def test_a_block_is_written_to_the_topic_by_one_validator(town: Town, real: MemoryLog) -> None:
    await town.all_up()
    for number in range(10):
        await town.send(b"%d" % number)
        await town.agree(number + 1)
    await asyncio.sleep(1)  # longer than the last in rank would wait
    written = await heights_on(real)
    height = town.nodes[0].final_height
    assert set(written) >= set(range(1, height + 1))
    assert written.total() < 1.5 * height, "the others have seen it"


@pytest.mark.parametrize(("validators", "heights", "waiting_max"), [(1, 300, 4_096), (4, 100, 20)])
async def test_more_blocks_than_any_queue_holds_reach_the_topic_when_it_is_back(
    tmp_path: Path,
    real: MemoryLog,
    monkeypatch: pytest.MonkeyPatch,
    validators: int,
    heights: int,
    waiting_max: int,
) -> None:
    monkeypatch.setattr(publisher, "HEIGHTS_MAX", waiting_max)
    monkeypatch.setattr(publisher, "APPEND_MAX", 16)
    log = FailingLog(real)
    town = Town(tmp_path, log, make_genesis(validators, QUICK))
    await town.all_up()
    await town.send(b"first")
    await town.agree(1)
    log.away = {BLOCKS}
    before = town.nodes[0].final_height
    sent = await grow(town, before + heights, sent=1)
    assert max(await heights_on(real)) < before + heights, "the topic was away"
    log.away = set()
    height = town.nodes[0].final_height
    async with asyncio.timeout(20):
        while not set(await heights_on(real)) >= set(range(1, height + 1)):  # noqa: ASYNC110 a log has no event
            await asyncio.sleep(0.05)
    await town.send(b"last")
    await town.agree(sent + 1)
    await town.down()


async def test_a_follower_gets_from_validators_what_the_topic_never_got(
    tmp_path: Path, real: MemoryLog
) -> None:
    """A single validator finalizes hundreds of blocks; its writes to the blocks topic fail all the time."""
    log = FailingLog(real)
    log.away = {BLOCKS}
    town = Town(tmp_path, log, make_genesis(1, QUICK))
    await town.all_up()
    await grow(town, 300)
    database, supervisor = (
        await new_database(f"sqlite+aiosqlite:///{tmp_path / 'follower.db'}"),
        Supervisor("test"),
    )
    peers = Peers([f"http://127.0.0.1:{town.nodes[0].port}"])
    follower = Follower(town.genesis, log, database, "test", NoProjection(), peers=peers)
    try:
        await follower.start(supervisor)
        async with asyncio.timeout(20):
            await follower.reached(town.nodes[0].final_height)
        assert follower.state.app_hash == town.nodes[0].executed[1]
    finally:
        await supervisor.stop()
        await follower.stop()
        await database.stop()
        await town.down()


async def test_after_an_outage_it_goes_on_within_a_moment(
    town: Town, log: WatchedLog, tmp_path: Path
) -> None:
    await town.all_up()
    database, supervisor = (
        await new_database(f"sqlite+aiosqlite:///{tmp_path / 'follower.db'}"),
        Supervisor("test"),
    )
    follower = Follower(town.genesis, log, database, "test", NoProjection(), peers=SilentPeers())
    try:
        await follower.start(supervisor)
        await town.send(b"1")
        await town.agree(1)
        log.away = {TRANSACTIONS, CONSENSUS, BLOCKS}
        batch = town.batch([b"2"])
        await asyncio.sleep(3)  # the pauses grow to their longest
        log.away = set()
        began = time.monotonic()
        await town.put(batch)
        await town.agree(2)
        async with asyncio.timeout(20):
            await follower.reached(town.nodes[0].final_height)
        assert time.monotonic() - began < 5 * AGAIN_S
    finally:
        await supervisor.stop()
        await follower.stop()
        await database.stop()
    assert BACKOFF.longest_s <= AGAIN_S
    assert follower_module.BACKOFF.longest_s <= AGAIN_S
