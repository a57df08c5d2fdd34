"""A crash at each named step: after a restart the books are whole, each order is out, nothing is done twice."""

import pytest
from chain_kit import API, PAYMENT
from chain_world import Deal, terms
from settlement_fakes import crash_once_at
from settlement_town import SettlementTown

from sps.eventlog.topics import PAYOUTS, TOPICS

STEPS = (
    "follower.verified",
    "follower.executed",
    "settlement.inbox",
    "settlement.balances",
    "settlement.journals",
    "settlement.orders",
    "settlement.quotes",
    "follower.projected",
    "follower.cursor",
    "follower.committed",
)
ORDER_STEPS = ("settlement.published", "settlement.marked")


@pytest.fixture
async def town(tmp_path, database_url):
    async with SettlementTown(tmp_path, database_url=database_url) as built:
        yield built


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_of_the_fold_is_made_good_by_a_restart(town, step):
    await town.released("first")
    town.probe = crash_once_at(step)
    deal = Deal("second", terms())
    await town.chain.say(API, deal.offer(), deal.accept())
    await town.chain.block()
    await town.settlement.failed()
    assert step in repr(town.settlement.defect)
    await town.again()
    await town.folded()
    await town.full_road("after")
    await town.check()
    await town.all_orders_published()


@pytest.mark.parametrize("step", STEPS[2:])
async def test_a_crash_in_the_fold_of_an_order_still_publishes_it(town, step):
    deal = Deal("undone", terms())
    await town.say(API, deal.offer(), deal.accept())
    await town.say(PAYMENT, deal.pay())
    town.probe = crash_once_at(step)
    await town.chain.say(API, deal.cancel())
    await town.chain.block()
    await town.settlement.failed()
    await town.again()
    await town.folded()
    await town.check()
    assert len(await town.all_orders_published()) == 1


@pytest.mark.parametrize("step", ORDER_STEPS)
async def test_a_crash_of_the_order_relay_publishes_the_same_bytes_again(town, step):
    town.probe = crash_once_at(step)
    await town.full_road()
    await town.settlement.failed()
    await town.again()
    await town.folded()
    await town.all_orders_published()
    await town.check()


async def test_a_crash_between_two_appends_of_one_round_loses_no_order(town, monkeypatch):
    append, left = town.log.append, [2]

    async def failing(topic, partition, records):
        if topic == "sps.payouts.v1":
            left[0] -= 1
            if left[0] == 0:
                raise OSError("the log is away")
        return await append(topic, partition, records)

    monkeypatch.setattr(town.log, "append", failing)
    for number in range(6):
        deal = Deal(f"undone {number}", terms())
        await town.say(API, deal.offer(), deal.accept())
        await town.say(PAYMENT, deal.pay())
        await town.say(API, deal.cancel())
    assert len(await town.all_orders_published()) == 6


async def test_three_starts_in_a_row_fold_nothing_twice(town):
    await town.full_road()
    before = await town.reader.journal(None, 10_000)
    for _ in range(3):
        await town.again()
    await town.folded()
    assert await town.reader.journal(None, 10_000) == before
    await town.check()
    await town.full_road("more")
    await town.check()


async def test_orders_that_a_log_has_lost_are_published_again_at_the_next_start(town):
    await town.full_road()
    undone = Deal("open", terms())
    await town.say(API, undone.offer(), undone.accept())
    await town.say(PAYMENT, undone.pay())
    await town.say(API, undone.cancel())
    before = await town.all_orders_published()
    open_one = town.chain.state.contracts[undone.id].refunds[0].id
    await town.again()
    await town.until(lambda: copies(town, open_one, 2))
    assert await town.published() == before
    assert town.count("sps_orders_repeated_total") == 1


async def copies(town, order, count):
    records = [
        record.key.decode()
        for partition in range(TOPICS[PAYOUTS].partitions)
        for record in await town.log.read(PAYOUTS, partition, 0, limit=1000)
    ]
    others = [each for each in records if each != order]
    assert len(others) == len(set(others))
    return records.count(order) == count
