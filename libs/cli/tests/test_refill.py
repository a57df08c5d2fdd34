"""`sps chain refill`: an empty log gets the chain back, once, and nothing that does not prove itself."""

import pytest
from chain_kit import API, PAYMENT
from chain_world import Deal, terms
from little_chain import LittleChain

from sps.chain.batch import decode_batch, digest
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import LogTrouble
from sps.eventlog.topics import BLOCKS, TOPICS, TRANSACTIONS
from sps.runtime.errors import Refusal
from sps_cli.refill import PASSES_MAX, Refill, Refilled


class Validator:
    """Gives what stands on a log, as a validator gives what stands in its store."""

    def __init__(self, blocks, batches, bend=lambda raw: raw):
        self._blocks, self._batches, self._bend = blocks, batches, bend

    async def blocks(self, first, limit):
        return [self._bend(raw) for raw in self._blocks[first - 1 : first - 1 + limit]]

    async def batch(self, name):
        return self._batches.get(name)

    async def stop(self):
        return None


async def all_of(log, topic):
    return [
        record.value
        for partition in range(TOPICS[topic].partitions)
        for record in await log.read(topic, partition, 0, limit=1_000)
    ]


@pytest.fixture
async def world():
    """A chain of some blocks, and a validator that has it."""
    log = MemoryLog()
    await log.start()
    chain = LittleChain(log)
    for number in range(3):
        deal = Deal(f"deal {number}", terms())
        await chain.say(API, deal.offer(), deal.accept())
        await chain.block()
        await chain.say(PAYMENT, deal.pay())
        await chain.block()
    batches = {digest(decode_batch(raw).header): raw for raw in await all_of(log, TRANSACTIONS)}
    return chain.kit.genesis, log, await all_of(log, BLOCKS), batches


@pytest.fixture
async def empty():
    log = MemoryLog()
    await log.start()
    return log


async def test_an_empty_log_gets_all_blocks_in_order_and_all_batches_and_a_second_time_nothing(world, empty):
    genesis, log, blocks, batches = world
    done = await Refill(genesis, empty, Validator(blocks, batches)).run()
    assert done == Refilled(len(blocks), len(blocks), len(batches))
    assert await all_of(empty, BLOCKS) == blocks
    assert sorted(await all_of(empty, TRANSACTIONS)) == sorted(await all_of(log, TRANSACTIONS))
    again = await Refill(genesis, empty, Validator(blocks, batches)).run()
    assert again == Refilled(len(blocks), 0, 0)


async def test_what_the_log_holds_already_is_left_alone(world):
    genesis, log, blocks, batches = world
    done = await Refill(genesis, log, Validator(blocks, batches)).run()
    assert (done.blocks, done.batches) == (0, 0)
    assert await all_of(log, BLOCKS) == blocks


async def test_a_validator_that_invents_puts_nothing_on_the_log(world, empty):
    genesis, _, blocks, batches = world
    liar = Validator(blocks, batches, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(Refusal, match="no validator gave a block"):
        await Refill(genesis, empty, liar).run()
    assert await all_of(empty, BLOCKS) == []


class Deceived(MemoryLog):
    """Takes the first append for a repetition of somebody else's: refuses it, or says that it is there already."""

    def __init__(self, refuses):
        super().__init__()
        self._first, self._refuses = True, refuses

    async def append(self, topic, partition, records):
        if not self._first:
            return await super().append(topic, partition, records)
        self._first = False
        if self._refuses:
            raise LogTrouble("the broker says OutOfOrderSequenceNumber (45)")
        return 0


@pytest.mark.parametrize("refuses", [True, False])
async def test_what_a_broker_took_for_somebody_elses_is_put_back_after_another_look(world, refuses):
    genesis, _, blocks, batches = world
    log = Deceived(refuses)
    await log.start()
    await Refill(genesis, log, Validator(blocks, batches)).run()
    assert await all_of(log, BLOCKS) == blocks
    assert {digest(decode_batch(raw).header) for raw in await all_of(log, TRANSACTIONS)} == set(batches)


async def test_a_log_that_never_takes_anything_is_trouble_after_the_last_look(world, monkeypatch):
    genesis, _, blocks, batches = world
    log = Deceived(refuses=True)
    await log.start()
    tries = []

    async def never(*_record):
        tries.append(1)
        raise LogTrouble("away")

    monkeypatch.setattr(log, "append", never)
    with pytest.raises(LogTrouble):
        await Refill(genesis, log, Validator(blocks, batches)).run()
    assert len(tries) == PASSES_MAX
