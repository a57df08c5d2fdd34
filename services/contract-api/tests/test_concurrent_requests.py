"""Many equal requests at the same moment, from one instance of the service or two: one effect, one answer."""

import asyncio

import pytest
from api_town import OFFER, ApiTown
from outages import once_back

CROWD = 50
FEW = 16
TO = {"provider": "alipay", "account": "alice@example.cn", "name": "Alice"}
PARCEL = {"parcel": "p1", "carrier": "dhl", "tracking_number": "7777700001"}


@pytest.fixture
async def town(tmp_path, database_url):
    async with ApiTown(tmp_path, database_url=database_url, wait_s=30) as town:
        yield town


async def insist(town, path, body, secret, http=None):
    """A machine that is busy with other things may say "please try again"; so this is done."""
    return await once_back(lambda: town.post(path, body, secret, "same", http))


async def crowd(town, path, body, secret, count=CROWD):
    """All send the same at once; what they are answered, status and bytes."""
    answers = await asyncio.gather(*(insist(town, path, body, secret) for _ in range(count)))
    return {(answer.status_code, answer.content) for answer in answers}


def told(town, kind):
    return [body for each, body in town.seen if each == kind]


async def test_fifty_equal_requests_at_once_make_one_contract_and_get_one_answer(town):
    alice = await town.merchant()
    ((status, _),) = await crowd(town, "/v1/contracts", OFFER, alice)
    assert status == 201
    assert len((await town.get("/v1/contracts", alice)).json()["data"]) == 1
    assert len(town.chain.state.contracts) == 1


async def test_equal_commands_at_once_are_one_transaction(town):
    alice = await town.merchant()
    deal = await town.offered(alice)
    path, body = f"/v1/contracts/{deal['contract']}/acceptance", {"terms_hash": deal["terms_hash"]}
    ((status, _),) = await crowd(town, path, body, deal["buyer_token"], FEW)
    assert status == 200
    assert [receipt.kind for receipt in town.chain.receipts] == ["contract.offer.v1", "contract.accept.v1"]


@pytest.mark.parametrize(
    ("kind", "path", "body"),
    [("payments", "payments", {"provider": "alipay"}), ("parcels", "parcels", PARCEL)],
)
async def test_equal_requests_at_once_reach_the_gateway_once(town, kind, path, body):
    alice = await town.merchant()
    deal = await (town.agreed(alice) if kind == "payments" else town.funded(alice))
    secret = deal["buyer_token"] if kind == "payments" else alice
    ((status, _),) = await crowd(town, f"/v1/contracts/{deal['contract']}/{path}", body, secret, FEW)
    assert status == 201
    assert len(told(town, kind)) == 1


async def test_equal_registrations_of_an_account_at_once_make_one(town):
    alice = await town.merchant()
    ((status, _),) = await crowd(town, "/v1/beneficiaries", TO, alice, FEW)
    assert status == 201
    assert len(told(town, "beneficiaries")) == 1
    assert len((await town.get("/v1/beneficiaries", alice)).json()["data"]) == 1


async def test_two_numbers_under_one_key_are_one_booking_and_a_refusal(town):
    alice = await town.merchant()
    deal = await town.funded(alice)
    path = f"/v1/contracts/{deal['contract']}/parcels"
    wishes = [PARCEL | {"tracking_number": f"77777000{number:02d}"} for number in range(10)]
    answers = await asyncio.gather(*(town.post(path, wish, alice, "same") for wish in wishes))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 422} == {
        "IDEMPOTENCY_KEY_REUSED"
    }
    assert len(told(town, "parcels")) == 1, "what is refused has no effect at the gateway"


async def test_a_key_is_free_again_when_the_gateway_refuses(town):
    alice = await town.merchant()
    deal = await town.funded(alice)
    town.used.add(PARCEL["tracking_number"])
    path = f"/v1/contracts/{deal['contract']}/parcels"
    refused = await crowd(town, path, PARCEL, alice, count=8)
    assert {status for status, _ in refused} == {409}
    corrected = PARCEL | {"tracking_number": "7777700002"}
    assert (await town.post(path, corrected, alice, "same")).status_code == 201


async def test_a_key_stays_with_its_request_when_the_gateway_is_away(town):
    alice = await town.merchant()
    deal = await town.funded(alice)
    path = f"/v1/contracts/{deal['contract']}/parcels"
    await town.gateways_away()
    assert (await town.post(path, PARCEL, alice, "same")).status_code == 503
    await town.gateways_back()
    other = await town.post(path, PARCEL | {"tracking_number": "7777700002"}, alice, "same")
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (await town.post(path, PARCEL, alice, "same")).status_code == 201
    assert [body["tracking_number"] for body in told(town, "parcels")] == ["7777700001"]


async def test_after_a_week_a_repeat_is_shown_the_resource_as_it_is_now(town):
    alice = await town.merchant()
    deal = await town.offered(alice, "key")
    await town.post(f"/v1/contracts/{deal['contract']}/withdrawal", {}, alice, "w")
    replayed = await town.post("/v1/contracts", OFFER, alice, "key")
    assert (replayed.json()["state"], replayed.headers["idempotent-replayed"]) == ("OFFERED", "true")
    town.clock.advance(8 * 86_400_000)
    late = await town.post("/v1/contracts", OFFER, alice, "key")
    assert (late.status_code, late.json()["state"]) == (201, "CLOSED")
    assert late.json()["contract"] == deal["contract"]


@pytest.mark.parametrize("kind", ["contracts", "beneficiaries"])
async def test_two_instances_on_one_database_make_one_contract_and_give_one_answer(
    tmp_path, postgres_database, kind
):
    """The one that started last folds the chain; the other one sees in the database what came of it."""
    body = OFFER if kind == "contracts" else TO
    async with ApiTown(tmp_path, database_url=postgres_database, wait_s=30) as town, town.another() as http:
        alice = await town.merchant()
        places = [http if number % 2 else None for number in range(CROWD)]
        answers = await asyncio.gather(*(insist(town, f"/v1/{kind}", body, alice, place) for place in places))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len(town.chain.state.contracts) == (kind == "contracts")
        assert len(told(town, "beneficiaries")) == (kind == "beneficiaries")
        again = await town.post(f"/v1/{kind}", body, alice, "same", http)
        assert again.content == answers[0].content
