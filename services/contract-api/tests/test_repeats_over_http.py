"""A request may be sent as often as one likes; what it means happens once."""

import asyncio

import pytest
from api_town import OFFER, ApiTown


@pytest.fixture
async def town(tmp_path, database_url):
    async with ApiTown(tmp_path, database_url=database_url) as town:
        yield town


@pytest.fixture
async def slow(tmp_path, database_url):
    """A town whose requests wait only a moment for their block."""
    async with ApiTown(tmp_path, wait_s=0.05, database_url=database_url) as town:
        yield town


async def settled(town, path, body, secret, key):
    """The answer once it is final; 202 until then."""
    for _ in range(200):
        answer = await town.post(path, body, secret, key)
        if answer.status_code != 202:
            return answer
        assert answer.headers["retry-after"] == "1"
        await asyncio.sleep(0.01)
    raise AssertionError("never final")


@pytest.mark.parametrize("command", ["acceptance", "confirmation", "cancellation_request"])
async def test_the_buyer_says_again_what_holds_already_and_gets_the_contract_as_it_is(town, command):
    alice = await town.merchant()
    deal = await (town.offered(alice) if command == "acceptance" else town.funded(alice))
    path = f"/v1/contracts/{deal['contract']}/{command}"
    body = {"terms_hash": deal["terms_hash"]} if command == "acceptance" else {}
    first = await town.post(path, body, deal["buyer_token"], "first")
    again = await town.post(path, body, deal["buyer_token"], "another-key")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert len({(r.kind, r.code) for r in town.chain.receipts[-2:]}) == 2
    assert town.chain.receipts[-1].code == "DUPLICATE"


async def test_the_seller_withdraws_twice_and_a_conversion_is_accepted_twice(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    path = f"/v1/contracts/{deal['contract']}/withdrawal"
    answers = [await town.post(path, {}, alice, key) for key in ("one", "two")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].json()["outcome"] == "cancelled"


async def test_a_repeat_that_contradicts_is_refused(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    await town.post(f"/v1/contracts/{deal['contract']}/decline", {}, deal["buyer_token"], "no")
    body = {"terms_hash": deal["terms_hash"]}
    late = await town.post(f"/v1/contracts/{deal['contract']}/acceptance", body, deal["buyer_token"], "yes")
    assert (late.status_code, late.json()["code"]) == (409, "CONTRACT_ENDED")


async def test_a_refusal_is_answered_alike_every_time_and_under_every_key(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    path = f"/v1/contracts/{deal['contract']}/confirmation"
    answers = [await town.post(path, {}, deal["buyer_token"], key) for key in ("a", "a", "b")]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "NOT_FUNDED")}
    assert len([r for r in town.chain.receipts if r.code == "NOT_FUNDED"]) == 2


async def test_while_no_block_comes_the_answer_is_202_and_the_repeat_is_the_same_request(slow):
    alice = await slow.merchant()
    slow.paused = True
    waiting = [await slow.post("/v1/contracts", OFFER, alice, "one") for _ in range(3)]
    assert {answer.status_code for answer in waiting} == {202}
    assert {answer.headers["retry-after"] for answer in waiting} == {"1"}
    assert len({answer.content for answer in waiting}) == 1
    slow.paused = False
    final = await settled(slow, "/v1/contracts", OFFER, alice, "one")
    assert final.status_code == 201
    assert final.json()["contract"] == waiting[0].json()["resource"]
    assert len(slow.chain.state.contracts) == 1
    assert (await slow.post("/v1/contracts", OFFER, alice, "one")).content == final.content


async def test_a_refusal_that_came_late_is_told_to_the_repeat(slow):
    alice = await slow.merchant()
    deal = (await settled(slow, "/v1/contracts", OFFER, alice, "offer")).json()
    slow.paused = True
    path = f"/v1/contracts/{deal['contract']}/confirmation"
    assert (await slow.post(path, {}, deal["buyer_token"], "k")).status_code == 202
    slow.paused = False
    late = await settled(slow, path, {}, deal["buyer_token"], "k")
    assert (late.status_code, late.json()["code"]) == (409, "NOT_FUNDED")


async def test_a_request_that_waited_survives_the_end_of_the_service(slow):
    alice = await slow.merchant()
    slow.paused = True
    waiting = await slow.post("/v1/contracts", OFFER, alice, "one")
    assert waiting.status_code == 202
    await slow.down()
    await slow.up()
    slow.paused = False
    final = await settled(slow, "/v1/contracts", OFFER, alice, "one")
    assert final.json()["contract"] == waiting.json()["resource"]
    assert len(slow.chain.state.contracts) == 1
