import asyncio

import pytest
from api_town import OFFER, ApiTown


@pytest.fixture
async def town(tmp_path):
    async with ApiTown(tmp_path) as town:
        yield town


@pytest.mark.parametrize(
    ("amount", "status"),
    [
        ({"minor": "128000", "currency": "XYZ"}, 422),
        ({"minor": "128000", "currency": "cny"}, 422),
        ({"minor": 1280.00, "currency": "CNY"}, 422),
        ({"minor": 128000, "currency": "CNY"}, 422),
        ({"minor": "1280.00", "currency": "CNY"}, 422),
        ({"minor": "-1", "currency": "CNY"}, 422),
        ({"minor": "0", "currency": "CNY"}, 422),
        ({"minor": "1" + "0" * 30, "currency": "CNY"}, 422),
        ({"minor": "\u0661\u0662", "currency": "CNY"}, 422),
        ({"minor": "1e5", "currency": "CNY"}, 422),
        ({"minor": "128000"}, 422),
    ],
)
async def test_an_amount_that_is_none_is_refused_with_what_to_do(town, amount, status):
    alice = await town.merchant()
    answer = await town.post("/v1/contracts", OFFER | {"amount": amount}, alice)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert not town.chain.state.contracts


async def test_terms_that_cannot_end_are_refused_with_their_code(town):
    alice = await town.merchant()
    parts = [{"id": "a", "minor": "1", "parcels": ["p1"]}, {"id": "b", "minor": "1", "parcels": ["p2"]}]
    answer = await town.post("/v1/contracts", OFFER | {"tranches": parts}, alice)
    assert answer.status_code in {409, 422}
    assert answer.json()["code"] not in {"", "INTERNAL_ERROR"}
    assert answer.json()["detail"]
    assert not town.chain.state.contracts


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b'{"name": "\xff"}', 400), (b"[]", 422), (b'{"name": "a", "more": 1}', 422), (b"", 422)],
)
async def test_a_body_that_is_no_request_is_a_problem_document(town, body, status):
    answer = await town.http.post("/v1/merchants", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_ten_megabytes_are_refused_before_they_are_read(town):
    answer = await town.http.post(
        "/v1/merchants", content=b"x" * 10_000_000, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_a_body_that_stalls_is_given_up(town):
    reader, writer = await asyncio.open_connection("127.0.0.1", town.api.server.port)
    writer.write(
        b"POST /v1/merchants HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(4096), 10)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"application/problem+json" in answer
    writer.close()


@pytest.mark.parametrize("secret", ["x", "spsk_test_wrong", "spsk_test_" + "0" * 36, "Bearer"])
async def test_a_wrong_key_is_refused_without_a_query(town, secret):
    answer = await town.get("/v1/balances", secret)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


async def test_a_change_without_an_idempotency_key_is_refused(town):
    alice = await town.merchant()
    answer = await town.http.post("/v1/contracts", json=OFFER, headers={"authorization": f"Bearer {alice}"})
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_MISSING")


async def test_every_unknown_path_and_method_is_a_problem_document(town):
    for method, path in (("GET", "/v1/nothing"), ("DELETE", "/v1/contracts"), ("PUT", "/v1/merchants")):
        answer = await town.http.request(method, path)
        assert answer.status_code in {404, 405}
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("command", ["acceptance", "payments", "parcels", "confirmation", "withdrawal"])
async def test_a_contract_that_does_not_exist_is_not_found(town, command):
    alice = await town.merchant()
    deal = await town.offered(alice)
    ghost = deal["contract"][:-4] + "0000"
    bodies = {
        "acceptance": {"terms_hash": deal["terms_hash"]},
        "payments": {"provider": "alipay"},
        "parcels": {"parcel": "p1", "carrier": "dhl", "tracking_number": "7777777770"},
    }
    seller = command in {"parcels", "withdrawal"}
    answer = await town.post(
        f"/v1/contracts/{ghost}/{command}", bodies.get(command, {}), alice if seller else deal["buyer_token"]
    )
    assert answer.status_code in {403, 404}


async def test_a_gateway_that_is_away_is_a_503_and_nothing_moves(town):
    alice = await town.merchant()
    deal = await town.agreed(alice)
    await town.gateways_away()
    answer = await town.post(
        f"/v1/contracts/{deal['contract']}/payments", {"provider": "alipay"}, deal["buyer_token"], "pay"
    )
    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1")
