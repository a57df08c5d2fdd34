"""A log that lies, cuts, repeats and shuffles delays the books or is counted; it never changes them."""

import random

import pytest
from chain_kit import API, ChainKit, make_genesis, signer
from chain_world import Deal, terms
from little_chain import LittleChain
from msgspec.structs import replace
from settlement_fakes import document
from settlement_town import SettlementTown

from sps.chain.batch import decode_batch, encode_batch, seal
from sps.chain.block import encode_committed
from sps.chain.genesis import Parameters
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import NewRecord
from sps.eventlog.topics import BLOCKS, TOPICS, TRANSACTIONS
from sps.transactions.codec import encode

BLOCKS_PLACE = (BLOCKS, 0)


@pytest.fixture
async def told(tmp_path):
    """A chain with a story on it, rates and a quote included."""
    (tmp_path / "told").mkdir()
    async with SettlementTown(tmp_path / "told") as town:
        await town.rates(document())
        await town.next_block()
        await town.full_road()
        deal = await town.two_tranches()
        await town.quote(deal, 500)
        await town.next_block()
        yield town


async def records_of(log):
    """All records of the chain's two topics, by place."""
    places = [BLOCKS_PLACE, *((TRANSACTIONS, number) for number in range(TOPICS[TRANSACTIONS].partitions))]
    return {place: [r.value for r in await log.read(*place, 0, limit=5_000)] for place in places}


def another_reader(told, folder):
    """A settlement with an empty database and an empty log that is to be filled."""
    (folder / "reader").mkdir()
    town = SettlementTown(folder / "reader")
    town.chain, town.log = told.chain, MemoryLog()
    town.clock = told.clock
    return town


async def append(log, place, values):
    await log.append(*place, [NewRecord(b"", value) for value in values])


def spoiled(value, chance):
    """The record cut, changed in one byte, doubled, or replaced."""
    at = chance.randrange(len(value))
    return chance.choice(
        [
            value[:at],
            value[:at] + bytes([value[at] ^ (1 << chance.randrange(8))]) + value[at + 1 :],
            value + value,
            chance.randbytes(chance.randint(1, 400)),
            b"",
        ]
    )


@pytest.mark.parametrize("seed", range(4))
async def test_garbage_between_the_records_in_any_order_changes_nothing(told, tmp_path, seed):
    chance = random.Random(seed)
    town = another_reader(told, tmp_path)
    await town.log.start()
    for place, values in (await records_of(told.log)).items():
        mixed = values * chance.randint(1, 2) + [spoiled(value, chance) for value in values]
        if place == BLOCKS_PLACE or chance.random() < 0.5:
            chance.shuffle(mixed)
        if mixed:
            await append(town.log, place, mixed)
    async with town:
        await town.folded()
        await town.check()
        assert town.settlement.ready()
        assert town.count("sps_follower_refused_total", what="block") > 0


async def test_a_cut_log_delays_and_the_rest_completes(told, tmp_path):
    town = another_reader(told, tmp_path)
    await town.log.start()
    records = await records_of(told.log)
    blocks = records.pop(BLOCKS_PLACE)
    for place, values in records.items():
        if values:
            await append(town.log, place, values)
    await append(town.log, BLOCKS_PLACE, [*blocks[:3], *blocks[5:]])
    async with town:
        await town.settlement.follower.reached(3)
        assert town.settlement.follower.height == 3
        assert not town.settlement.ready()
        await append(town.log, BLOCKS_PLACE, blocks[3:5])
        await town.folded()
        await town.check()


async def test_blocks_of_another_committee_and_with_a_borrowed_certificate_count_for_nothing(told):
    """The other chain is whole and certified, but not by the validators of our genesis."""
    stranger = LittleChain(told.log, ChainKit(genesis=make_genesis(1, Parameters(heartbeat_ms=9_999))))
    before = told.count("sps_follower_refused_total", what="block")
    stranger._read = _nothing
    for _ in range(5):
        await stranger.block()
    kit = told.chain.kit
    unsigned = replace(kit.committed(kit.header()), finalization=kit.blocks[kit.height].finalization)
    await append(told.log, BLOCKS_PLACE, [encode_committed(unsigned)])
    await told.full_road("after")
    await told.check()
    assert told.count("sps_follower_refused_total", what="block") == before + 6


async def _nothing():
    return None


async def test_batches_signed_by_nobody_or_by_another_count_for_nothing(told):
    await told.chain._read()
    deal = Deal("forged", terms())
    good = told.chain.kit.batch(API, [deal.offer()])
    chain, number = told.chain.kit.chain_id, good.header.producer_id
    forged = seal(signer("a thief"), chain, number, 99, b"\x01" * 32, [encode(deal.accept())], 1)
    lane = (TRANSACTIONS, good.header.producer_id)
    await append(told.log, lane, [encode_batch(forged), encode_batch(good)[:-9], b"\x00" * 300])
    told.chain._offsets[lane[1]] = (await told.log.bounds(*lane))[1]
    await append(told.log, lane, [encode_batch(good)])
    await told.block()
    assert deal.id in told.chain.state.contracts
    await told.check()
    assert told.count("sps_follower_refused_total", what="batch") >= 2


async def test_our_own_batches_appended_again_by_somebody_are_counted_once(told):
    records = (await records_of(told.log))[TRANSACTIONS, 4]
    assert {decode_batch(value).header.producer_id for value in records} == {4}
    for _ in range(3):
        await append(told.log, (TRANSACTIONS, 4), records)
    await told.full_road("after")
    assert await told.rates(document()) == "known"
    await told.check()
