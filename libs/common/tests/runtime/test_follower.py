"""Every block once, in order, whatever the log brings and wherever the process ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from chain_kit import SETTLEMENT
from chain_story import rates
from msgspec.structs import replace
from runtime_kit import (
    Crash,
    ExecutedChain,
    KnowingPeers,
    Running,
    SeenProjection,
    crash_at,
    new_database,
    new_log,
    put_batch,
    put_block,
    seen,
)

from sps.chain.batch import encode_batch
from sps.chain.block import encode_committed
from sps.eventlog.memory import MemoryLog
from sps.runtime import block_reader
from sps.runtime import database as database_module
from sps.runtime.chain_fold import Divergence
from sps.runtime.chain_walk import Fork
from sps.runtime.database import Database
from sps.runtime.projection_cursor import Fenced
from sps.transactions.codec import encode, transaction_hash

STEPS = ["verified", "executed", "projected", "cursor", "committed"]


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    opened = await new_log()
    yield opened
    await opened.stop()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await new_database(database_url)
    yield opened
    await opened.stop()


def expected(chain: ExecutedChain) -> dict[int, bytes]:
    return {height: chain.app_hashes[height] for height in range(1, chain.height + 1)}


async def within(awaitable) -> None:
    await asyncio.wait_for(awaitable, 5)


async def test_blocks_are_projected_as_they_come(log, database) -> None:
    chain = ExecutedChain()
    async with Running(chain, log, database) as follower:
        for height in range(1, 7):
            chain.block()
            await chain.publish(log, height)
            await within(follower.reached(height))
        assert follower.state.app_hash == chain.state.app_hash
        assert (follower.height, follower.lag) == (6, 0)
    assert await seen(database) == expected(chain)


async def test_a_follower_that_is_far_behind_catches_up_and_says_when(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(200)
    await chain.publish(log)
    async with Running(chain, log, database) as follower:
        assert not follower.ready()
        await within(follower.caught_up())
        assert follower.ready()
        assert follower.height == 200
    assert await seen(database) == expected(chain)


@pytest.mark.parametrize("at_once", [True, False], ids=["in a group", "one by one"])
@pytest.mark.parametrize("occurrence", [1, 3])
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_between_any_two_steps_projects_every_block_once(
    log, database, step: str, occurrence: int, at_once: bool
) -> None:
    chain = ExecutedChain()
    chain.grow(6)
    probe = crash_at(f"follower.{step}", occurrence)
    if at_once:
        await chain.publish(log)
    dying = Running(chain, log, database, probe=probe)
    with contextlib.suppress(Crash):
        async with dying as follower:
            for height in range(1, 7):
                if not at_once:
                    await chain.publish(log, height, height)
                reached = asyncio.ensure_future(follower.reached(height))
                failed = asyncio.ensure_future(dying.supervisor.failed())
                await asyncio.wait({reached, failed}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
                reached.cancel()
                failed.cancel()
    async with Running(chain, log, database) as follower:
        if not at_once:
            await chain.publish(log)  # once more: repeats are harmless
        await within(follower.reached(6))
        assert follower.state.app_hash == chain.state.app_hash
    assert await seen(database) == expected(chain)


@pytest.mark.parametrize("at_once", [True, False], ids=["in a group", "one by one"])
async def test_a_commit_without_an_answer_is_looked_up(log, database, monkeypatch, at_once: bool) -> None:
    chain = ExecutedChain()
    chain.grow(4)
    losses = [True, False, True]
    real = database_module.AsyncConnection.commit

    async def answer_lost(connection) -> None:
        lost = bool(losses) and connection.info.get("armed") and losses.pop(0)
        await real(connection)
        if lost:
            raise OSError("connection reset")

    class Arming(SeenProjection):
        async def apply(self, connection, block) -> None:
            connection.info["armed"] = True
            await super().apply(connection, block)

    monkeypatch.setattr(database_module.AsyncConnection, "commit", answer_lost)
    async with Running(chain, log, database, projection=Arming()) as follower:
        for height in [4] if at_once else range(1, 5):
            await chain.publish(log, 1 if at_once else height, height)
            await within(follower.reached(height))
    assert await seen(database) == expected(chain)


async def test_garbage_is_counted_and_changes_nothing(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(4)
    await put_block(log, b"garbage")
    lonely = chain.kit.committed(chain.kit.blocks[2].header, chain.kit.batches[2], signers=[0, 1])
    await put_block(log, encode_committed(lonely))
    await put_batch(log, b"\0" * 8 + b"garbage")
    forged = bytearray(encode_batch(chain.kit.batches[2][0]))
    forged[130] ^= 1
    await put_batch(log, bytes(forged))
    await chain.publish(log)
    async with Running(chain, log, database) as follower:
        await within(follower.reached(4))
        assert follower._reader.refused == 2
    assert await seen(database) == expected(chain)


async def test_order_and_repeats_do_not_matter(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(8)
    for height in [8, 3, 3, 1, 5, 4, 2, 1, 7, 6, 8]:
        await chain.publish(log, height, height)
    async with Running(chain, log, database) as follower:
        await within(follower.reached(8))
    assert await seen(database) == expected(chain)


async def test_what_the_log_lost_is_fetched_from_validators(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(8)
    for height in (1, 2, 6, 8):  # 3-5 and 7 are lost, and the batch of 6 too
        await put_block(log, chain.records[height])
    await put_batch(log, encode_batch(chain.kit.batches[2][0]))
    peers = KnowingPeers(chain)
    async with Running(chain, log, database, peers=peers) as follower:
        await within(follower.reached(8))
        assert 3 in peers.asked
        assert follower.state.app_hash == chain.state.app_hash
    assert await seen(database) == expected(chain)


async def test_the_newest_block_lost_by_the_log_is_asked_for_after_a_while(
    log, database, monkeypatch
) -> None:
    monkeypatch.setattr(block_reader, "QUIET_S", 0.0)
    monkeypatch.setattr(block_reader, "READ_WAIT_S", 0.01)
    chain = ExecutedChain()
    chain.grow(3)
    await chain.publish(log, 1, 2)
    async with Running(chain, log, database, peers=KnowingPeers(chain)) as follower:
        await within(follower.reached(3))


async def test_a_gap_nobody_can_fill_is_waited_for_and_never_skipped(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(3)
    await put_block(log, chain.records[3])
    async with Running(chain, log, database) as follower:
        await asyncio.sleep(0.05)
        assert (follower.height, follower.ready()) == (0, False)
        await chain.publish(log, 1, 3)
        await within(follower.reached(3))
    assert await seen(database) == expected(chain)


async def test_a_trimmed_log_is_made_up_for_by_validators(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(10)
    await chain.publish(log)
    await log.trim("sps.blocks.v1", 0, 7)
    await log.trim("sps.transactions.v1", 4, 3)
    async with Running(chain, log, database, peers=KnowingPeers(chain)) as follower:
        await within(follower.reached(10))
    assert await seen(database) == expected(chain)


async def test_two_final_blocks_at_one_height_stop_everything(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(3)
    await chain.publish(log)
    other = chain.kit.blocks[2].header
    twin = chain.kit.committed(replace(other, proposer=(other.proposer + 1) % 4), chain.kit.batches[2])
    running = Running(chain, log, database)
    async with running as follower:
        await within(follower.reached(3))
        await put_block(log, encode_committed(twin))
        assert isinstance(await running.defect(), Fork)


async def test_a_result_that_is_not_ours_stops_before_the_block(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(6)
    chain.block([], app_hash=b"\7" * 32)
    await chain.publish(log)
    running = Running(chain, log, database)
    with contextlib.suppress(Divergence):
        async with running:
            assert isinstance(await running.defect(), Divergence)
    assert 7 not in await seen(database)


async def test_a_projection_that_fails_halts_at_its_height_and_goes_on_when_repaired(log, database) -> None:
    class Broken(SeenProjection):
        async def apply(self, connection, block) -> None:
            if block.height == 3:
                raise ZeroDivisionError
            await super().apply(connection, block)

    chain = ExecutedChain()
    chain.grow(5)
    running = Running(chain, log, database, projection=Broken())
    async with running as follower:
        for height in (1, 2):
            await chain.publish(log, height, height)
            await within(follower.reached(height))
        await chain.publish(log, 3)
        assert isinstance(await running.defect(), ZeroDivisionError)
        assert not running.supervisor.ready()
    assert sorted(await seen(database)) == [1, 2]
    async with Running(chain, log, database) as follower:
        await within(follower.reached(5))
    assert await seen(database) == expected(chain)


async def test_the_instance_that_started_last_goes_on_and_the_other_stops(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(2)
    await chain.publish(log, 1, 1)
    old = Running(chain, log, database)
    async with old as first:
        await within(first.reached(1))
        async with Running(chain, log, database) as second:
            await chain.publish(log, 2, 2)
            await within(second.reached(2))
            assert isinstance(await old.defect(), Fenced)
    assert await seen(database) == expected(chain)


async def test_a_receipt_is_found_before_and_after_it_comes(log, database) -> None:
    chain = ExecutedChain()
    fact = rates(99)
    name = transaction_hash(encode(fact)).hex()
    async with Running(chain, log, database) as follower:
        assert await follower.receipt(name, 0) is None
        assert await follower.receipt(name, 0.01) is None
        waiting = [asyncio.ensure_future(follower.receipt(name, 5)) for _ in range(3)]
        await asyncio.sleep(0)
        chain.block([chain.kit.batch(SETTLEMENT, [fact])])
        await chain.publish(log)
        found = await asyncio.gather(*waiting)
        assert {receipt.transaction for receipt in found} == {name}
        assert await seen(database) == expected(chain), (
            "the projection is committed before the receipt is told"
        )
        assert await follower.receipt(name, 0) == found[0]
        assert follower._receipts._waiting == {}
    async with Running(chain, log, database) as follower:
        assert await follower.receipt(name, 0) == found[0], "known again after a restart"
