"""A follower that has to go again over the chain, or has lost the log: it gets there, soon and by itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from runtime_kit import (
    ExecutedChain,
    KnowingPeers,
    Running,
    SeenProjection,
    new_database,
    new_log,
    put_batch,
    put_block,
    seen,
)

from sps.chain.block import encode_committed
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import LogTrouble
from sps.runtime import block_reader, chain_walk, going_again
from sps.runtime.chain_fold import ChainFold
from sps.runtime.database import Database
from sps.runtime.follower import Follower
from sps.signing import verify

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


async def test_going_again_over_what_is_projected_checks_few_certificates(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(300)
    await chain.publish(log)
    calls = 0

    def counting(*arguments) -> bool:
        nonlocal calls
        calls += 1
        return verify(*arguments)

    async with Running(chain, log, database, verify=counting) as follower:
        await within(follower.reached(300))
    first, calls = calls, 0
    async with Running(chain, log, database, verify=counting) as follower:
        assert follower.height == 300
        assert follower.state.app_hash == chain.state.app_hash
    assert calls < first / 10


async def test_forged_blocks_do_not_disturb_going_again(log, database) -> None:
    chain = ExecutedChain()
    chain.grow(9)
    await chain.publish(log)
    async with Running(chain, log, database) as follower:
        await within(follower.reached(9))
    flooded = await new_log()
    for height in range(1, 10):
        header = chain.kit.blocks[height].header
        for number in range(6):
            forged = replace(header, parent_id=bytes([number]) * 32)
            await put_block(
                flooded, encode_committed(chain.kit.committed(forged, chain.kit.batches[height], signers=[0]))
            )
    await chain.publish(flooded)
    async with Running(chain, flooded, database) as follower:
        assert follower.height == 9
        assert follower.state.app_hash == chain.state.app_hash


async def test_forged_records_without_end_do_not_keep_a_lost_block_away(log, database, monkeypatch) -> None:
    monkeypatch.setattr(block_reader, "QUIET_S", 0.1)
    chain = ExecutedChain()
    chain.grow(4)
    await chain.publish(log, 1, 2)
    await chain.publish(log, 4, 4)
    lonely = encode_committed(
        chain.kit.committed(chain.kit.blocks[3].header, chain.kit.batches[3], signers=[0])
    )

    async def flood() -> None:
        while True:
            await put_block(log, lonely)

    flooding = asyncio.create_task(flood())
    async with Running(chain, log, database, peers=KnowingPeers(chain)) as follower:
        await within(follower.reached(4))
        flooding.cancel()
        assert follower._reader.refused > 0


async def test_a_long_stretch_that_the_log_lost_comes_from_validators_without_a_pause(
    log, database, monkeypatch
) -> None:
    """The log never got these blocks; five seconds may pass before the first question, and only then."""
    monkeypatch.setattr(block_reader, "FETCH_BLOCKS", 32)
    chain = ExecutedChain()
    chain.grow(150)
    for record in chain.batch_records.values():
        await put_batch(log, record)
    async with Running(chain, log, database, peers=KnowingPeers(chain)) as follower:
        await within(follower.reached(150))
        await within(follower.caught_up())


async def test_a_follower_without_its_log_follows_the_validators(database, monkeypatch) -> None:
    monkeypatch.setattr(block_reader, "QUIET_S", 0.05)
    chain, away = ExecutedChain(), MemoryLog()
    chain.grow(10)
    running = Running(chain, away, database, peers=KnowingPeers(chain))
    async with running as follower:
        await within(follower.reached(10))
        chain.grow(5)
        await within(follower.reached(15))
        assert not follower.ready(), "nobody knows whether that is all"
        await away.start()
        await chain.publish(away)
        await within(follower.caught_up())
        assert running.supervisor.defect is None
    assert await seen(database) == expected(chain)


async def test_blocks_that_stood_too_far_ahead_of_their_place_are_read_again(
    log, database, monkeypatch
) -> None:
    """Nobody answers, and the log brings the newest first: more of them than are kept."""
    monkeypatch.setattr(chain_walk, "AHEAD_MAX", 4)
    monkeypatch.setattr(block_reader, "READ_WAIT_S", 0.01)
    chain = ExecutedChain()
    chain.grow(20)
    for height in range(20, 0, -1):
        await chain.publish(log, height, height)
    async with Running(chain, log, database) as follower:
        await within(follower.reached(20))


async def test_trouble_on_the_way_back_up_does_not_begin_it_anew(log, database, monkeypatch) -> None:
    monkeypatch.setattr(going_again, "BLOCKS_MAX", 10)
    chain = ExecutedChain()
    chain.grow(60)
    await chain.publish(log)
    async with Running(chain, log, database) as follower:
        await within(follower.reached(60))
    executed: list[int] = []
    execute = ChainFold.execute

    def counted(fold, block, batches):
        executed.append(block[1].header.height)
        return execute(fold, block, batches)

    class Trembling(MemoryLog):
        """Every third read fails."""

        reads = 0

        async def read(self, *arguments, **options):
            self.reads += 1
            if not self.reads % 3:
                raise LogTrouble("no answer")
            return await super().read(*arguments, **options)

    trembling = Trembling(log._store)
    await trembling.start()
    monkeypatch.setattr(ChainFold, "execute", counted)
    monkeypatch.setattr(block_reader, "READ_AGAIN_RECORDS", 10)
    async with Running(chain, trembling, database) as follower:
        assert follower.height == 60
        assert follower.state.app_hash == chain.state.app_hash
    assert executed == list(range(1, 61))


async def test_a_database_that_fails_often_does_not_make_the_chain_executed_anew_each_time(
    log, database, monkeypatch
) -> None:
    chain = ExecutedChain()
    chain.grow(40)
    await chain.publish(log)
    rebuilt = 0
    rebuild = Follower._rebuild

    async def counted(follower) -> None:
        nonlocal rebuilt
        rebuilt += 1
        await rebuild(follower)

    class Trembling(SeenProjection):
        """The first five times it is asked something goes wrong, whatever the block is."""

        left = 5

        async def apply(self, connection, block) -> None:
            if self.left:
                self.left -= 1
                raise OSError("connection reset")
            await super().apply(connection, block)

    monkeypatch.setattr(Follower, "_rebuild", counted)
    async with Running(chain, log, database, projection=Trembling()) as follower:
        await within(follower.reached(40))
    assert rebuilt == 2, "at the start, and after the first group"
    assert await seen(database) == expected(chain)
