"""The database dies in the middle: everybody is told to come back, and whoever does finds one contract."""

import asyncio

from api_town import OFFER, ApiTown
from outages import once_back, own_postgres, told_to_come_back


async def test_while_the_database_is_away_every_request_is_a_503_and_afterwards_all_goes_on(tmp_path):
    async with (
        own_postgres(tmp_path) as (server, url),
        ApiTown(tmp_path, database_url=url, wait_s=30) as town,
    ):
        alice = await town.merchant()
        deal = await town.offered(alice, "before")
        await server.kill()
        accept = (
            f"/v1/contracts/{deal['contract']}/acceptance",
            {"terms_hash": deal["terms_hash"]},
            deal["buyer_token"],
        )
        told_to_come_back(await town.post("/v1/contracts", OFFER, alice, "during"))
        told_to_come_back(await town.post(*accept))
        told_to_come_back(await town.get("/v1/balances", alice))
        told_to_come_back(await town.http.post("/v1/merchants", json={"name": "Bob"}))
        assert (await town.http.get("/openapi.json")).status_code == 200, "what needs no database is there"
        await server.start()
        made = await once_back(lambda: town.post("/v1/contracts", OFFER, alice, "during"))
        assert made.status_code == 201
        assert (await once_back(lambda: town.post(*accept))).json()["state"] == "AGREED"
        assert len(town.chain.state.contracts) == 2
        assert (await town.post("/v1/contracts", OFFER, alice, "during")).content == made.content


async def test_a_server_that_restarts_between_two_requests_is_not_noticed(tmp_path):
    async with own_postgres(tmp_path) as (server, url), ApiTown(tmp_path, database_url=url) as town:
        alice = await town.merchant()
        await asyncio.gather(*(town.get("/v1/balances", alice) for _ in range(8)))
        await server.restart()
        answers = await asyncio.gather(*(town.get("/v1/balances", alice) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}


async def test_a_request_that_was_under_way_when_the_database_died_is_done_once(tmp_path):
    """Fifty equal requests, the server killed among them; who repeats until he is answered has one contract."""
    async with (
        own_postgres(tmp_path) as (server, url),
        ApiTown(tmp_path, database_url=url, wait_s=30) as town,
    ):
        alice = await town.merchant()

        async def insist():
            return await once_back(lambda: town.post("/v1/contracts", OFFER, alice, "same"))

        crowd = [asyncio.create_task(insist()) for _ in range(20)]
        await asyncio.sleep(0.05)
        await server.kill()
        await asyncio.sleep(0.2)
        await server.start()
        answers = await asyncio.gather(*crowd)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len(town.chain.state.contracts) == 1
