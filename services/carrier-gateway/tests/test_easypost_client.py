import hashlib
import json
from pathlib import Path

import pytest
from carrier_kit import SmallCarrier

from carrier_gateway.adapters.bounded_http import ANSWER_BYTES_MAX, BoundedHttp
from carrier_gateway.adapters.easypost.client import EasyPostClient
from carrier_gateway.application.carrier_port import CarrierRefused, CarrierTrouble

TRACKERS = "/easypost/v2/trackers"
NUMBER = "EZ4000000004"
EVENT = json.loads((Path(__file__).parent / "recorded" / "easypost_delivered.json").read_text())
TRACKER = json.dumps(EVENT["result"]).encode()


@pytest.fixture
def carrier():
    return SmallCarrier()


def client(carrier, timeout_s=5.0):
    return EasyPostClient(
        "http://127.0.0.1:8090/easypost", "the-key", BoundedHttp(timeout_s, carrier.transport())
    )


async def test_a_tracker_is_created_with_the_key_as_user(carrier):
    carrier.answers("POST", TRACKERS, status=201, body=b'{"id":"trk_77"}')
    assert await client(carrier).subscribe(NUMBER) == "trk_77"
    assert carrier.calls[0].json == {"tracker": {"tracking_code": NUMBER}}
    assert carrier.calls[0].headers["authorization"] == "Basic dGhlLWtleTo="


@pytest.mark.parametrize("body", [b"{}", b'{"id":"../admin"}', b'{"id":7}', b"not json"])
async def test_an_id_that_is_none_of_theirs_is_trouble(carrier, body):
    carrier.answers("POST", TRACKERS, status=201, body=body)
    with pytest.raises(CarrierTrouble):
        await client(carrier).subscribe(NUMBER)


async def test_a_number_that_they_refuse_is_refused(carrier):
    carrier.answers("POST", TRACKERS, status=422)
    with pytest.raises(CarrierRefused):
        await client(carrier).subscribe(NUMBER)


async def test_a_pulled_delivery_has_the_answer_as_its_document(carrier):
    carrier.answers("GET", f"{TRACKERS}/trk_77", body=TRACKER)
    pulled = await client(carrier).pull(NUMBER, "trk_77")
    assert pulled.raw == TRACKER
    assert pulled.observation.document == hashlib.sha256(TRACKER).hexdigest()


async def test_a_tracker_of_another_number_is_no_observation(carrier):
    carrier.answers("GET", f"{TRACKERS}/trk_77", body=TRACKER)
    assert (await client(carrier).pull("EZ1000000001", "trk_77")).observation is None


async def test_a_tracker_that_is_gone_is_no_observation(carrier):
    assert (await client(carrier).pull(NUMBER, "trk_77")).observation is None


async def test_without_a_tracker_there_is_nothing_to_ask_yet(carrier):
    with pytest.raises(CarrierRefused, match="NO_TRACKER"):
        await client(carrier).pull(NUMBER, "")
    assert carrier.calls == []


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 500},
        {"status": 429},
        {"body": b"<html>"},
        {"body": b"x" * (ANSWER_BYTES_MAX + 1)},
        {"stalls": True},
    ],
    ids=["500", "429", "html", "huge", "slow"],
)
async def test_a_carrier_in_trouble_is_trouble(carrier, reply):
    carrier.answers("GET", f"{TRACKERS}/trk_77", **reply)
    with pytest.raises(CarrierTrouble):
        await client(carrier, timeout_s=0.05).pull(NUMBER, "trk_77")
