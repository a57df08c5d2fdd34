import asyncio
import collections

import pytest
from api_town import OFFER, ApiTown
from sqlalchemy import text

from sps.chain.genesis import genesis_bytes
from sps.chain.proof import verify_proof


@pytest.fixture
async def town(tmp_path, database_url):
    async with ApiTown(tmp_path, database_url=database_url) as town:
        yield town


@pytest.fixture
async def small(tmp_path):
    """The same on SQLite alone, for what no database decides."""
    async with ApiTown(tmp_path) as town:
        yield town


async def test_a_contract_is_opened_with_terms_that_hold_no_personal_data(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    assert deal["state"] == "OFFERED"
    assert deal["version"] == 1
    assert deal["ship_to"]["name"] == "Bob Canary"
    assert "Canary" not in str(deal["terms"])
    assert deal["buyer_link"].endswith(f"/c/{deal['contract']}?t={deal['buyer_token']}")


async def test_the_whole_road_ends_released_and_is_proved_offline(town):
    alice = await town.merchant()
    deal = await town.released(alice)
    view = (await town.get(f"/v1/contracts/{deal['contract']}", alice)).json()
    assert (view["state"], view["outcome"]) == ("CLOSED", "released")
    balances = (await town.get("/v1/balances", alice)).json()["data"]
    assert balances == [{"currency": "CNY", "payable": "126720", "in_transit": "0", "reserve": "0"}]
    await town.empty_blocks(4)
    proof = await town.get(f"/v1/contracts/{deal['contract']}/proof", alice)
    assert proof.status_code == 200, proof.text
    report = verify_proof(proof.content, genesis_bytes(town.chain.kit.genesis))
    assert report.accepted
    assert [(each.released, each.held) for each in report.amounts] == [(128000, 0)]


async def test_the_proof_waits_until_a_later_block_carries_the_results(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    early = await town.get(f"/v1/contracts/{deal['contract']}/proof", alice)
    assert (early.status_code, early.json()["code"]) == (404, "PROOF_NOT_READY")


async def test_a_key_cannot_be_used_for_another_request(town):
    alice = await town.merchant()
    await town.offered(alice, "key")
    other = await town.post("/v1/contracts", OFFER | {"description": "Other"}, alice, "key")
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_request_that_was_interrupted_is_finished_by_its_repeat(town):
    alice = await town.merchant()
    first = await town.offered(alice, "key")
    await town.down()
    await town.up()
    again = await town.post("/v1/contracts", OFFER, alice, "key")
    assert again.json() == first
    assert again.headers["idempotent-replayed"] == "true"


async def test_the_buyer_must_name_the_terms_that_he_was_shown(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    path = f"/v1/contracts/{deal['contract']}/acceptance"
    wrong = await town.post(path, {"terms_hash": "00" * 32}, deal["buyer_token"])
    assert (wrong.status_code, wrong.json()["code"]) == (409, "WRONG_TERMS_HASH")
    assert (await town.get(f"/v1/contracts/{deal['contract']}", alice)).json()["state"] == "OFFERED"


@pytest.mark.parametrize("path", ["", "/events", "/proof"])
async def test_a_stranger_sees_nothing_of_a_contract(small, path):
    alice, mallory = await small.merchant(), await small.merchant("Mallory")
    deal = await small.offered(alice)
    answer = await small.get(f"/v1/contracts/{deal['contract']}{path}", mallory)
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_CONTRACT")


@pytest.mark.parametrize("command", ["withdrawal", "cancellation", "cancellation_refusal"])
async def test_another_merchant_cannot_command_a_contract(small, command):
    alice, mallory = await small.merchant(), await small.merchant("Mallory")
    deal = await small.offered(alice)
    answer = await small.post(f"/v1/contracts/{deal['contract']}/{command}", {}, mallory)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "command", ["acceptance", "decline", "payments", "confirmation", "cancellation_request"]
)
async def test_the_seller_cannot_speak_for_the_buyer(small, command):
    alice = await small.merchant()
    deal = await small.offered(alice)
    body = {"acceptance": {"terms_hash": deal["terms_hash"]}, "payments": {"provider": "alipay"}}.get(
        command, {}
    )
    answer = await small.post(f"/v1/contracts/{deal['contract']}/{command}", body, alice)
    assert (answer.status_code, answer.json()["code"]) == (403, "BUYER_ONLY")


async def test_the_seller_cancels_before_hand_over_and_all_goes_back(town):
    alice = await town.merchant()
    deal = await town.funded(alice)
    answer = await town.post(f"/v1/contracts/{deal['contract']}/cancellation", {}, alice, "cancel")
    assert answer.status_code == 200
    view = answer.json()
    assert view["outcome"] == "refunded"
    assert view["refunds"][0]["amount"] == deal["amount"]


async def test_the_buyer_releases_early(town):
    alice = await town.merchant()
    deal = await town.funded(alice)
    path = f"/v1/contracts/{deal['contract']}/confirmation"
    answer = await town.post(path, {}, deal["buyer_token"], "have-it")
    assert answer.json()["outcome"] == "released"


async def test_a_tracking_number_is_used_once(town):
    alice = await town.merchant()
    first, second = await town.funded(alice, "one"), await town.funded(alice, "two")
    body = {"parcel": "p1", "carrier": "dhl", "tracking_number": "7777777770"}
    assert (
        await town.post(f"/v1/contracts/{first['contract']}/parcels", body, alice, "a")
    ).status_code == 201
    again = await town.post(f"/v1/contracts/{second['contract']}/parcels", body, alice, "b")
    assert (again.status_code, again.json()["code"]) == (409, "TRACKING_NUMBER_USED")


async def test_a_conversion_gives_what_the_quote_said(town):
    alice = await town.merchant()
    await town.released(alice)
    await town.publish_rates()
    asked = asyncio.create_task(
        town.post("/v1/quotes", {"amount": {"minor": "126720", "currency": "CNY"}, "to": "EUR"}, alice, "q")
    )
    await town.lock(await town.requested_quote())
    quote = (await asked).json()
    assert quote["state"] == "locked"
    used = (await town.post(f"/v1/quotes/{quote['quote']}/acceptance", {}, alice, "yes")).json()
    assert used["state"] == "used"
    payable = {
        line["currency"]: line["payable"] for line in (await town.get("/v1/balances", alice)).json()["data"]
    }
    assert payable == {"CNY": "0", "EUR": quote["out"]["minor"]}


async def test_a_payout_goes_only_to_a_registered_account_and_only_once(town):
    alice = await town.merchant()
    await town.released(alice)
    body = {"amount": {"minor": "126720", "currency": "CNY"}, "provider": "alipay", "beneficiary": "00" * 32}
    unknown = await town.post("/v1/payouts", body, alice, "p0")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "UNKNOWN_BENEFICIARY")
    to = {"provider": "alipay", "account": "alice@example.cn", "name": "Alice"}
    body["beneficiary"] = (await town.post("/v1/beneficiaries", to, alice, "to")).json()["beneficiary"]
    first = await town.post("/v1/payouts", body, alice, "p1")
    assert first.status_code == 201, first.text
    too_much = await town.post("/v1/payouts", body, alice, "p2")
    assert too_much.status_code == 409
    await town.paid_out(first.json()["payout"])
    assert (await town.get(f"/v1/payouts/{first.json()['payout']}", alice)).json()["state"] == "paid"


async def test_a_payout_repeated_to_a_backup_that_forgot_it_is_the_same_payout(town):
    alice = await town.merchant()
    await town.released(alice)
    to = {"provider": "alipay", "account": "alice@example.cn", "name": "Alice"}
    to = (await town.post("/v1/beneficiaries", to, alice, "to")).json()["beneficiary"]
    body = {"amount": {"minor": "10000", "currency": "CNY"}, "provider": "alipay", "beneficiary": to}
    first = await town.post("/v1/payouts", body, alice, "p1")
    async with town.api.member.database.transaction() as connection:
        await connection.execute(text("DELETE FROM request WHERE key = 'p1'"))
        await connection.execute(text("DELETE FROM outbox_transaction"))
    again = await town.post("/v1/payouts", body, alice, "p1")
    assert (again.status_code, again.json()["payout"]) == (201, first.json()["payout"])
    balance = (await town.get("/v1/balances", alice)).json()["data"][0]
    assert balance["payable"] == "116720"


async def test_contracts_are_listed_page_by_page_without_gaps_or_repeats(town):
    alice = await town.merchant()
    made = [(await town.offered(alice, f"k{i}"))["contract"] for i in range(5)]
    found, cursor = [], ""
    while True:
        page = (await town.get(f"/v1/contracts?limit=2&cursor={cursor}", alice)).json()
        found += [each["contract"] for each in page["data"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert collections.Counter(found) == collections.Counter(made)


async def test_the_timeline_says_who_said_what_at_which_block(town):
    alice = await town.merchant()
    deal = await town.released(alice)
    events = (await town.get(f"/v1/contracts/{deal['contract']}/events", alice)).json()["data"]
    assert [each["by"] for each in events] == ["seller", "buyer", "provider", "carrier", "carrier"]
    assert [each["version"] for each in events] == [1, 2, 3, 4, 5]
    assert events[-1]["summary"].endswith("the money is released to the seller")
    assert sum(int(line["minor"]) for line in events[-1]["postings"]) == 0
