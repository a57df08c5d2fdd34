"""Two processes of settlement on one database: one goes on, the other ends, and nothing is done twice."""

import asyncio

import pytest
from settlement_town import SettlementTown

from sps.runtime.projection_cursor import Fenced


@pytest.fixture
async def town(tmp_path, database_url):
    async with SettlementTown(tmp_path, database_url=database_url) as built:
        yield built


async def test_the_process_that_started_last_goes_on_and_the_books_are_exact(town):
    await town.full_road("before")
    first = town.settlement
    await town.up()
    await town.full_road("together")
    await asyncio.wait_for(first.failed(), 5)
    assert isinstance(first.defect, Fenced)
    await town.full_road("after")
    await first.stop()
    await town.check()
    await town.all_orders_published()


async def test_three_that_open_empty_books_at_once_open_them_once(tmp_path, database_url):
    town = SettlementTown(tmp_path, database_url=database_url)
    await town.log.start()
    made = await asyncio.gather(*(town.another() for _ in range(3)))
    ends = await asyncio.gather(*(each.start() for each in made), return_exceptions=True)
    assert {type(end) for end in ends} <= {type(None), Fenced}
    for each in made:
        await each.stop()
    await town.up()
    await town.full_road()
    await town.check()
    await town.down()
    await town.log.stop()
