"""Settlement behind a network to its database that is cut, holes up, and loses answers: late, never wrong."""

import asyncio
import contextlib
import random

import pytest
from settlement_town import SettlementTown

from sps.runtime import database as database_module
from sps_cli.servers.proxy import Proxy

ROADS = 1
GOOD_S, BAD_S = 0.8, 0.3
BRIEF = {
    "database_connect_timeout_s": 1.0,
    "database_statement_timeout_s": 1.0,
    "database_lock_timeout_s": 1.0,
    "database_idle_in_transaction_s": 1.0,
}


@pytest.fixture
async def proxy(postgres_server):
    made = Proxy(postgres_server.address)
    await made.start()
    yield made
    await made.stop()


async def storm(proxy: Proxy, chance: random.Random) -> None:
    """Bad weather of every kind in turn, with a little good in between."""

    async def hold() -> None:
        proxy.hold()

    async def lose_answers() -> None:
        proxy.drop_answers()

    kinds = [proxy.cut, hold, lose_answers]
    while True:
        await asyncio.sleep(chance.random() * GOOD_S)
        await chance.choice(kinds)()
        await asyncio.sleep(chance.random() * BAD_S)
        await proxy.heal()


@pytest.mark.parametrize("seed", [1])
async def test_a_bad_network_to_the_database_costs_time_and_nothing_else(
    postgres_server, postgres_database, proxy, tmp_path, monkeypatch, seed
):
    monkeypatch.setattr(database_module, "COMMIT_S", 0.5)
    monkeypatch.setattr("settlement_town.PATIENCE_S", 60.0)
    distant = postgres_database.replace(postgres_server.address, proxy.address)
    async with SettlementTown(tmp_path, database_url=distant, **BRIEF) as town:
        weather = asyncio.create_task(storm(proxy, random.Random(seed)))
        try:
            for number in range(ROADS):
                await town.full_road(f"{seed} {number}")
        finally:
            weather.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await weather
            await proxy.heal()
        await town.all_orders_published()
        await town.check()
        assert town.settlement.defect is None
