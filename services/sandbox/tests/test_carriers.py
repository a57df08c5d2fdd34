import base64
import hmac

import pytest
from sandbox_kit import Stage, running

NUMBER = "7777777770"
KEY = {"DHL-API-Key": "dhl-sandbox"}
PLACE = {"country": "DE", "postcode": "10115"}


@pytest.fixture
async def stage(tmp_path, database_url):
    async with running(tmp_path, database_url=database_url) as running_stage:
        yield running_stage


def hook(stage: Stage, number: str = NUMBER) -> dict:
    told = {"type": "ApiKeyAuthentication", "header": "X-Escrow-Token", "token": "t" * 32}
    return {
        "hook": {"uri": f"{stage.platform.server.url}/dhl/secret", "authentication": told},
        "format": "Default",
        "type": "Shipment",
        "events": ["Delivered"],
        "shipmentIDs": [number],
    }


async def take(stage: Stage, carrier: str = "dhl", number: str = NUMBER) -> None:
    await stage.merchant.control(
        "parcels", {"carrier": carrier, "tracking_number": number, "destination": PLACE}
    )


async def move(stage: Stage, status: str, carrier: str = "dhl", number: str = NUMBER, **more: str) -> dict:
    return await stage.merchant.control(f"parcels/{carrier}/{number}/move", {"status": status, **more})


async def subscribe(stage: Stage) -> str:
    url = f"{stage.merchant.url}/dhl/tracking/push/v1/subscription"
    made = await stage.merchant.client.post(url, json=hook(stage), headers=KEY)
    assert made.status_code == 201
    return str(made.json()["id"])


async def ready(stage: Stage) -> str:
    reference = await subscribe(stage)
    (asked,) = await stage.platform.until(1, "dhl")
    headers = KEY | {"DHL-API-Hook-Secret": asked.json["secret"]}
    assert (await stage.merchant.client.post(asked.json["self"], headers=headers)).status_code == 204
    await stage.platform.until(2, "dhl")
    return reference


async def pull(stage: Stage, number: str = NUMBER, key: dict | None = None) -> tuple[int, dict]:
    url = f"{stage.merchant.url}/dhl/track/shipments"
    answer = await stage.merchant.client.get(
        url, params={"trackingNumber": number}, headers=KEY if key is None else key
    )
    return answer.status_code, answer.json()


async def test_dhl_asks_the_subscriber_and_then_pushes_with_his_token(stage):
    await take(stage)
    await ready(stage)
    await move(stage, "in_transit")
    heard = await stage.platform.until(3, "dhl")
    assert [each.json["scope"] for each in heard] == [
        "subscription.validate",
        "subscription.ready",
        "subscription.push",
    ]
    assert {each.headers["x-escrow-token"] for each in heard} == {"t" * 32}
    assert heard[2].json["shipments"][0]["status"]["statusCode"] == "transit"


async def test_a_wrong_secret_activates_nothing(stage):
    await take(stage)
    reference = await subscribe(stage)
    url = f"{stage.merchant.url}/dhl/tracking/push/v1/subscription/{reference}"
    answer = await stage.merchant.client.post(url, headers=KEY | {"DHL-API-Hook-Secret": "wrong"})
    assert answer.status_code == 403
    assert (await stage.merchant.client.get(url, headers=KEY)).json()["state"] == "validating"


async def test_a_late_subscriber_hears_what_had_happened(stage):
    await take(stage)
    await move(stage, "delivered", signed_by="Bob Example")
    await ready(stage)
    heard = await stage.platform.until(3, "dhl")
    assert heard[2].json["shipments"][0]["status"]["statusCode"] == "delivered"


async def test_a_subscription_can_be_listed_and_deleted(stage):
    reference = await ready(stage)
    base = f"{stage.merchant.url}/dhl/tracking/push/v1"
    listed = (await stage.merchant.client.get(f"{base}/subscriptions", headers=KEY)).json()
    assert [each["id"] for each in listed["subscriptions"]] == [reference]
    assert (
        await stage.merchant.client.delete(f"{base}/subscription/{reference}", headers=KEY)
    ).status_code == 204
    assert (
        await stage.merchant.client.get(f"{base}/subscription/{reference}", headers=KEY)
    ).status_code == 404
    heard = await stage.platform.until(3, "dhl")
    assert heard[2].json["scope"] == "subscription.deleted"


async def test_dhl_knows_no_strangers_and_no_unknown_numbers(stage):
    status, problem = await pull(stage)
    assert (status, problem["status"], set(problem)) == (404, 404, {"title", "detail", "status", "instance"})
    assert (await pull(stage, key={}))[0] == 401
    url = f"{stage.merchant.url}/dhl/tracking/push/v1/subscription"
    assert (await stage.merchant.client.post(url, json=hook(stage), headers={})).status_code == 401


async def test_a_delivery_that_was_signed_has_a_proof_with_the_same_bytes_every_time(stage):
    await take(stage)
    await move(stage, "in_transit")
    await move(stage, "delivered", signed_by="Bob Example")
    status, answer = await pull(stage)
    proof = answer["shipments"][0]["details"]["proofOfDelivery"]
    assert (status, proof["signed"]["name"]) == (200, "Bob Example")
    first, again = [(await stage.merchant.client.get(proof["documentUrl"])).content for _ in range(2)]
    assert first == again
    assert b"Bob Example" in first
    assert [event["statusCode"] for event in answer["shipments"][0]["events"]] == ["delivered", "transit"]


async def test_the_same_step_again_changes_nothing_and_is_told_again(stage):
    await take(stage)
    await ready(stage)
    first = await move(stage, "delivered", signed_by="Bob Example")
    again = await move(stage, "delivered", signed_by="Bob Example")
    assert first == again
    heard = await stage.platform.until(4, "dhl")
    assert heard[2].body == heard[3].body


async def test_a_parcel_is_taken_once_and_its_number_is_no_other_parcels(stage):
    await take(stage)
    await take(stage)
    wish = {
        "carrier": "dhl",
        "tracking_number": NUMBER,
        "destination": {"country": "FR", "postcode": "75001"},
    }
    await stage.merchant.control("parcels", wish, status=409)
    await stage.merchant.control("parcels/dhl/unknown1/move", {"status": "delivered"}, status=409)
    await stage.merchant.control(f"parcels/dhl/{NUMBER}/move", {"status": "stolen"}, status=409)
    await stage.merchant.control("parcels", wish | {"tracking_number": "../.."}, status=422)


async def test_a_delivery_elsewhere_shows_the_other_postcode(stage):
    await take(stage)
    await move(stage, "delivered", signed_by="Eve", postcode="20095", handover="neighbour")
    _, answer = await pull(stage)
    shipment = answer["shipments"][0]
    assert shipment["destination"]["address"]["postalCode"] == "20095"
    assert "neighbour" in shipment["status"]["description"]


def basic(name: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:".encode()).decode()}


async def test_easypost_follows_a_number_and_signs_what_it_tells(stage):
    ask, url = stage.merchant.client, f"{stage.merchant.url}/easypost/v2/trackers"
    wish = {"tracker": {"tracking_code": "EZ1234"}}
    first = (await ask.post(url, json=wish, headers=basic("easypost-sandbox"))).json()
    again = (await ask.post(url, json=wish, headers=basic("easypost-sandbox"))).json()
    assert (first["id"], first["status"]) == (again["id"], "unknown")
    await take(stage, "easypost", "EZ1234")
    await move(stage, "delivered", "easypost", "EZ1234", signed_by="Bob")
    (heard,) = await stage.platform.until(1, "easypost")
    wanted = "hmac-sha256-hex=" + hmac.digest(b"easypost-secret", heard.body, "sha256").hex()
    assert heard.headers["x-hmac-signature"] == wanted
    tracker = heard.json["result"]
    assert tracker == (await ask.get(f"{url}/{first['id']}", headers=basic("easypost-sandbox"))).json()
    place = tracker["carrier_detail"]["destination_tracking_location"]
    assert (tracker["status"], tracker["signed_by"], place["country"], place["zip"]) == (
        "delivered",
        "Bob",
        "DE",
        "10115",
    )


async def test_easypost_tells_a_late_follower_what_had_happened(stage):
    await take(stage, "easypost", "EZ1234")
    await move(stage, "in_transit", "easypost", "EZ1234")
    url, wish = f"{stage.merchant.url}/easypost/v2/trackers", {"tracker": {"tracking_code": "EZ1234"}}
    await stage.merchant.client.post(url, json=wish, headers=basic("easypost-sandbox"))
    (heard,) = await stage.platform.until(1, "easypost")
    assert heard.json["result"]["status"] == "in_transit"


async def test_easypost_knows_no_strangers_and_no_unknown_trackers(stage):
    ask, url = stage.merchant.client, f"{stage.merchant.url}/easypost/v2/trackers"
    assert (await ask.get(f"{url}/trk_1", headers=basic("easypost-sandbox"))).status_code == 404
    for headers in ({}, basic("other"), {"Authorization": "Basic %%%"}):
        assert (await ask.get(f"{url}/trk_1", headers=headers)).status_code == 401
        assert (
            await ask.post(url, json={"tracker": {"tracking_code": "EZ1234"}}, headers=headers)
        ).status_code == 401
    bad = await ask.post(url, json={"tracker": {"tracking_code": "x"}}, headers=basic("easypost-sandbox"))
    assert bad.status_code == 422
