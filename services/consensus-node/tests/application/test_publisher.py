"""The publisher alone: what waits for the log, and what becomes of it while the log is away."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from chain_kit import ChainKit
from prometheus_client import CollectorRegistry

from consensus_node.adapters import publisher as publisher_module
from consensus_node.adapters.block_store import BlockStore
from consensus_node.adapters.disk import DiskThread
from consensus_node.adapters.publisher import MESSAGES_MAX, Publisher
from consensus_node.core.messages import Votes
from consensus_node.metrics import NodeMetrics
from sps.chain.block import decode_committed
from sps.chain.vote import VoteKind, sign_vote
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import LogTrouble, NewRecord
from sps.eventlog.topics import BLOCKS, CONSENSUS


class Pressroom:
    """A publisher over a log and a store with some final blocks."""

    def __init__(self, folder: Path, blocks: int = 0) -> None:
        self.kit = ChainKit()
        self.log = MemoryLog()
        self.metrics = NodeMetrics(CollectorRegistry())
        self.disk = DiskThread("test")
        self.store = BlockStore(folder / "blocks", self.kit.chain_id)
        self.store.open(self.disk)
        self.publisher = Publisher(self.log, 0, self.store, self.metrics)
        for _ in range(blocks):
            self.store.append(self.kit.block())

    def say(self, view: int) -> None:
        vote = sign_vote(
            self.kit.validators[0], self.kit.chain_id, 0, VoteKind.NOTARIZE, 1, view, view, b"\x01" * 32
        )
        self.publisher.say(Votes(0, (vote,)))

    def announce(self, *heights: int) -> None:
        for height in heights:
            self.publisher.announce(self.kit.blocks[height])

    async def written(self) -> list[int]:
        """The heights on the topic; each record is the store's."""
        records = await self.log.read(BLOCKS, 0, 0, limit=5_000)
        heights = [decode_committed(record.value).header.height for record in records]
        assert [record.value for record in records] == [self.store.record(height) for height in heights]
        assert [int.from_bytes(record.key, "big") for record in records] == heights
        return heights

    async def write(self, seconds: float = 0.3) -> None:
        """Let the loop work for a while; trouble ends it, as it does under its supervisor."""
        with contextlib.suppress(TimeoutError, LogTrouble):
            async with asyncio.timeout(seconds):
                await self.publisher.write_blocks()

    def unsent(self) -> float:
        return self.metrics.registry.get_sample_value("sps_consensus_unsent_total") or 0


@pytest.fixture
async def press(tmp_path: Path) -> AsyncIterator[Pressroom]:
    made = Pressroom(tmp_path, blocks=60)
    yield made
    made.store.close()
    await made.disk.stop()


async def test_messages_that_wait_go_out_together_and_in_order(press: Pressroom) -> None:
    await press.log.start()
    for view in range(1, 6):
        press.say(view)
    speaking = asyncio.create_task(press.publisher.speak())
    records = await press.log.read(CONSENSUS, 0, 0, wait_s=2.0)
    speaking.cancel()
    assert len(records) == 5


async def test_a_log_that_is_down_drops_messages_with_a_count_and_never_blocks(press: Pressroom) -> None:
    for _ in range(MESSAGES_MAX + 10):
        press.say(1)
    with pytest.raises(LogTrouble):
        await press.publisher.speak()
    assert press.unsent() > 10


async def test_what_was_not_said_yet_is_said_as_soon_as_the_log_is_back(press: Pressroom) -> None:
    for view in range(publisher_module.APPEND_MAX + 1):
        press.say(view)
    with pytest.raises(LogTrouble):
        await press.publisher.speak()
    await press.log.start()
    speaking = asyncio.create_task(press.publisher.speak())
    records = await press.log.read(CONSENSUS, 0, 0, wait_s=2.0)
    speaking.cancel()
    assert len(records) == 1, "one append was lost, the rest did not wait for the next message"


async def test_blocks_wait_for_a_log_that_is_away_and_are_written_once(press: Pressroom) -> None:
    press.announce(1, 2, 3)
    await press.write()
    await press.log.start()
    press.announce(4)
    await press.write()
    assert await press.written() == [1, 2, 3, 4]
    press.announce(5)
    await press.write()
    assert await press.written() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("order", ["rising", "mixed"])
async def test_more_blocks_than_the_queue_holds_still_reach_the_topic(
    press: Pressroom, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(publisher_module, "HEIGHTS_MAX", 8)
    monkeypatch.setattr(publisher_module, "APPEND_MAX", 5)
    heights = list(range(1, 61))
    if order == "mixed":
        random.Random(1).shuffle(heights)
    press.announce(*heights)
    await press.write()
    await press.log.start()
    await press.write()
    written = await press.written()
    assert set(written) == set(range(1, 61))
    if order == "rising":
        assert written == heights


async def test_blocks_that_overflow_while_others_are_being_written_are_not_lost(
    press: Pressroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "HEIGHTS_MAX", 4)
    monkeypatch.setattr(publisher_module, "APPEND_MAX", 3)
    await press.log.start()
    append, left = press.log.append, iter(range(10, 61))

    async def slow(topic: str, partition: int, records: Sequence[NewRecord]) -> int:
        for height in itertools.islice(left, 7):
            press.announce(height)
        return await append(topic, partition, records)

    monkeypatch.setattr(press.log, "append", slow)
    press.announce(*range(9, 0, -1))
    await press.write()
    assert set(await press.written()) == set(range(1, 61))
