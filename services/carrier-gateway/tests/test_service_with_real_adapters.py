"""The whole gateway with the real adapters, against a small carrier that speaks the real wire formats."""

import json
from pathlib import Path

import httpx
import pytest
from carrier_kit import SmallCarrier
from gateway_kit import Town

from carrier_gateway.adapters.easypost.webhook import signature
from carrier_gateway.bootstrap import configured_carriers
from carrier_gateway.settings import Settings

RECORDED = Path(__file__).parent / "recorded"
PATH, TOKEN, SECRET = "p" * 40, "t" * 40, "a-webhook-secret"
TRACK, SUBSCRIPTION = "/dhl/track/shipments", "/dhl/tracking/push/v1/subscription"
PULLED = (
    (RECORDED / "dhl_delivered.json").read_bytes().replace(b"https://carrier.test", b"http://127.0.0.1:8090")
)
CARRIERS = {
    "dhl_base_url": "http://127.0.0.1:8090/dhl",
    "dhl_api_key": "key",
    "dhl_hook_path": PATH,
    "dhl_hook_token": TOKEN,
    "easypost_base_url": "http://127.0.0.1:8090/easypost",
    "easypost_api_key": "key",
    "easypost_webhook_secret": SECRET,
}


@pytest.fixture
def carrier():
    small = SmallCarrier()
    small.answers("POST", SUBSCRIPTION, status=201, body=b'{"id":"sub-1"}')
    small.answers("POST", "/easypost/v2/trackers", status=201, body=b'{"id":"trk_77"}')
    return small


@pytest.fixture
async def town(tmp_path, carrier):
    made = Town(tmp_path, {}, **CARRIERS)
    made.carriers = configured_carriers(made.settings(), carrier.transport())
    async with made:
        yield made


async def dhl_push(town, body, token=TOKEN, path=PATH):
    answer = await town.http.post(f"/webhooks/dhl/{path}", content=body, headers={"X-Escrow-Token": token})
    return answer.status_code


async def test_a_dhl_push_triggers_the_pull_that_releases_the_money(town, carrier):
    deal = await town.funded()
    await town.booked(deal)
    carrier.answers("GET", TRACK, body=PULLED)
    carrier.answers("GET", "/dhl/proof/7777777770.pdf", body=b"%PDF the signature")
    assert await dhl_push(town, (RECORDED / "dhl_push.json").read_bytes()) == 200
    await town.next_block()
    assert (town.parcel(deal).state, town.parcel(deal).level) == ("delivered", 3)
    assert town.chain.state.contracts[deal.id].tranches[0].state == "released"


async def test_dhl_is_asked_to_send_to_our_hook(town, carrier):
    await town.booked(await town.funded())
    await town.until(lambda: _called(carrier, SUBSCRIPTION))
    call = next(call for call in carrier.calls if call.path == SUBSCRIPTION)
    assert call.json["hook"]["uri"] == f"http://127.0.0.1:8081/webhooks/dhl/{PATH}"


async def test_the_handshake_of_dhl_is_answered(town, carrier):
    carrier.answers("POST", f"{SUBSCRIPTION}/sub-1", status=204, body=b"")
    body = (RECORDED / "dhl_validate.json").read_bytes()
    ours = body.replace(b"https://api-eu.dhl.com", b"http://127.0.0.1:8090/dhl")
    assert await dhl_push(town, ours) == 200
    await town.until(lambda: _called(carrier, f"{SUBSCRIPTION}/sub-1"))


async def test_a_push_without_token_or_path_is_refused(town, carrier):
    body = (RECORDED / "dhl_push.json").read_bytes()
    assert await dhl_push(town, body, token="x" * 40) == 401
    assert await dhl_push(town, body, path="x" * 40) == 401
    assert not await _called(carrier, TRACK)


async def test_a_signed_easypost_event_releases_the_money(town):
    deal = await town.funded(carrier="easypost")
    await town.booked(deal, carrier="easypost", tracking_number="EZ4000000004")
    body = (RECORDED / "easypost_delivered.json").read_bytes()
    headers = {"X-Hmac-Signature": signature(SECRET, body)}
    answer = await town.http.post("/webhooks/easypost", content=body, headers=headers)
    assert answer.status_code == 200
    await town.next_block()
    assert (town.parcel(deal).state, town.parcel(deal).level) == ("delivered", 3)
    said = [receipt.code for receipt in town.chain.receipts if receipt.kind == "parcel.evidence.v1"]
    assert set(said) <= {"OK", "EVIDENCE_TOO_OLD"}


async def test_a_doubled_signature_header_is_refused(town):
    body = (RECORDED / "easypost_delivered.json").read_bytes()
    right = signature(SECRET, body)
    headers = httpx.Headers([("X-Hmac-Signature", right), ("X-Hmac-Signature", right)])
    assert (await town.http.post("/webhooks/easypost", content=body, headers=headers)).status_code == 401


async def test_a_serialised_again_event_is_refused(town):
    body = (RECORDED / "easypost_delivered.json").read_bytes()
    headers = {"X-Hmac-Signature": signature(SECRET, body)}
    again = json.dumps(json.loads(body)).encode()
    assert (await town.http.post("/webhooks/easypost", content=again, headers=headers)).status_code == 401


async def test_a_body_beyond_the_bound_is_refused_before_it_is_read(town):
    answer = await town.http.post("/webhooks/easypost", content=b"x" * 300_000)
    assert answer.status_code == 413


async def test_a_silent_easypost_parcel_is_read_from_its_tracker(town, carrier):
    event = json.loads((RECORDED / "easypost_delivered.json").read_bytes())
    carrier.answers("GET", "/easypost/v2/trackers/trk_77", body=json.dumps(event["result"]).encode())
    deal = await town.funded(carrier="easypost")
    await town.booked(deal, carrier="easypost", tracking_number="EZ4000000004")
    await town.next_block()
    assert (town.parcel(deal).state, town.parcel(deal).level) == ("delivered", 3)


def test_a_carrier_without_a_key_is_not_offered(tmp_path):
    made = Town(tmp_path, {})
    assert configured_carriers(made.settings()) == {}


@pytest.mark.parametrize("pepper", ["", "ab", "zz" * 32, "AB" * 32])
def test_a_bad_pepper_is_refused(tmp_path, pepper):
    good = Town(tmp_path, {}).settings().model_dump()
    with pytest.raises(ValueError, match="tracking_pepper"):
        Settings(**(good | {"tracking_pepper": pepper}))


async def _called(carrier, path):
    return any(call.path == path for call in carrier.calls)
