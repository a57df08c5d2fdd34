"""The DHL client against a small carrier that can be slow, wrong, huge and hostile."""

import hashlib
import json
from pathlib import Path

import pytest
from carrier_kit import SmallCarrier

from carrier_gateway.adapters.bounded_http import ANSWER_BYTES_MAX, BoundedHttp
from carrier_gateway.adapters.dhl.client import DOCUMENT_BYTES_MAX, DhlAccess, DhlClient
from carrier_gateway.application.carrier_port import CarrierRefused, CarrierTrouble, Handshake

BASE = "https://carrier.test/dhl"
RECORDED = Path(__file__).parent / "recorded"
ANSWER = (RECORDED / "dhl_delivered.json").read_bytes()
TRACK, SUBSCRIPTION = "/dhl/track/shipments", "/dhl/tracking/push/v1/subscription"
DOCUMENT, PICTURE = "/dhl/proof/7777777770.pdf", "/dhl/proof/sign.png"
NUMBER = "7777777770"


@pytest.fixture
def carrier():
    return SmallCarrier()


def client(carrier, *, base_url=BASE, hosts=(), service="", timeout_s=5.0):
    access = DhlAccess(base_url, "the-api-key", hosts, service)
    http = BoundedHttp(timeout_s, carrier.transport())
    return DhlClient(access, http, "https://gateway.test/webhooks/dhl/secret", "the-token")


async def test_a_pull_asks_with_the_key_in_english(carrier):
    carrier.answers("GET", TRACK, body=ANSWER)
    await client(carrier, service="express").pull(NUMBER)
    call = carrier.calls[0]
    assert call.query == {"trackingNumber": NUMBER, "language": "en", "service": "express"}
    assert call.headers["dhl-api-key"] == "the-api-key"


async def test_a_delivery_is_pulled_with_the_hash_of_its_proof(carrier):
    carrier.answers("GET", TRACK, body=ANSWER)
    carrier.answers("GET", DOCUMENT, body=b"%PDF the signature")
    pulled = await client(carrier).pull(NUMBER)
    document = hashlib.sha256(b"%PDF the signature").hexdigest()
    assert pulled.observation.document == document
    assert pulled.raw == ANSWER + f"\nproof-of-delivery sha256:{document}\n".encode()
    assert pulled.complete


async def test_the_picture_serves_when_the_document_cannot_be_had(carrier):
    carrier.answers("GET", TRACK, body=ANSWER)
    carrier.answers("GET", PICTURE, body=b"PNG")
    pulled = await client(carrier).pull(NUMBER)
    assert pulled.observation.document == hashlib.sha256(b"PNG").hexdigest()


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 500},
        {"status": 404},
        {"body": b""},
        {"body": b"x" * (DOCUMENT_BYTES_MAX + 1)},
        {"stalls": True},
    ],
    ids=["500", "404", "empty", "huge", "slow"],
)
async def test_a_proof_that_cannot_be_had_leaves_the_delivery_without_one(carrier, reply):
    carrier.answers("GET", TRACK, body=ANSWER)
    for path in (DOCUMENT, PICTURE):
        carrier.answers("GET", path, **reply)
    pulled = await client(carrier, timeout_s=0.05).pull(NUMBER)
    assert pulled.observation.document is None
    assert pulled.raw == ANSWER
    assert not pulled.complete


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/proof.pdf",
        "http://carrier.test/dhl/proof.pdf",
        "https://carrier.test:8443/dhl/proof.pdf",
        "https://carrier.test@evil.test/proof.pdf",
        "https://user:secret@carrier.test/proof.pdf",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/proof.pdf",
        "//evil.test/proof.pdf",
        "https://carrier.test\\@evil.test/",
        "https://carrier.test/\x00",
        "",
    ],
)
async def test_a_proof_elsewhere_is_never_fetched(carrier, url):
    shipment = json.loads(ANSWER)
    shipment["shipments"][0]["details"]["proofOfDelivery"] = {"documentUrl": url}
    carrier.answers("GET", TRACK, body=json.dumps(shipment).encode())
    pulled = await client(carrier).pull(NUMBER)
    assert pulled.observation.document is None
    assert pulled.complete
    assert [call.path for call in carrier.calls] == [TRACK]


async def test_a_proof_on_a_named_host_is_fetched(carrier):
    carrier.answers("GET", TRACK, body=ANSWER.replace(b"carrier.test/dhl/proof/7", b"files.test/dhl/proof/7"))
    carrier.answers("GET", DOCUMENT, body=b"PDF")
    pulled = await client(carrier, hosts=("files.test",)).pull(NUMBER)
    assert pulled.observation.document == hashlib.sha256(b"PDF").hexdigest()


async def test_a_parcel_under_way_has_no_proof_to_fetch(carrier):
    carrier.answers("GET", TRACK, body=ANSWER.replace(b'"delivered"', b'"transit"'))
    pulled = await client(carrier).pull(NUMBER)
    assert pulled.complete
    assert len(carrier.calls) == 1


async def test_a_shipment_that_dhl_does_not_know_is_no_observation(carrier):
    carrier.answers("GET", TRACK, status=404, body=b'{"title":"No result found"}')
    assert (await client(carrier).pull(NUMBER)).observation is None


async def test_the_shipment_of_another_number_is_no_observation(carrier):
    carrier.answers("GET", TRACK, body=ANSWER)
    assert (await client(carrier).pull("1234567890")).observation is None


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 500},
        {"status": 503},
        {"status": 429},
        {"status": 401},
        {"status": 302, "headers": {"location": "https://evil.test/"}},
        {"body": b"<html>"},
        {"body": b"[]"},
        {"body": b"x" * (ANSWER_BYTES_MAX + 1)},
        {"stalls": True},
    ],
    ids=["500", "503", "429", "401", "redirect", "html", "list", "huge", "slow"],
)
async def test_a_carrier_in_trouble_is_trouble(carrier, reply):
    carrier.answers("GET", TRACK, **reply)
    with pytest.raises(CarrierTrouble):
        await client(carrier, timeout_s=0.05).pull(NUMBER)
    assert len(carrier.calls) == 1


async def test_the_pause_that_the_carrier_asks_for_is_told(carrier):
    carrier.answers("GET", TRACK, status=429, headers={"retry-after": "120"})
    with pytest.raises(CarrierTrouble) as trouble:
        await client(carrier).pull(NUMBER)
    assert trouble.value.retry_after_ms == 120_000


async def test_a_wrong_question_is_refused(carrier):
    carrier.answers("GET", TRACK, status=400)
    with pytest.raises(CarrierRefused):
        await client(carrier).pull(NUMBER)


async def test_a_subscription_names_our_hook_and_our_token(carrier):
    carrier.answers("POST", SUBSCRIPTION, status=201, body=b'{"id":"sub-1"}')
    assert await client(carrier).subscribe(NUMBER) == "sub-1"
    assert carrier.calls[0].json == {
        "hook": {
            "uri": "https://gateway.test/webhooks/dhl/secret",
            "authentication": {
                "type": "ApiKeyAuthentication",
                "header": "X-Escrow-Token",
                "token": "the-token",
            },
        },
        "format": "Default",
        "type": "Shipment",
        "events": ["Pre-Transit", "Transit", "Delivered", "Failure", "Unknown"],
        "shipmentIDs": [NUMBER],
    }


async def test_a_subscription_without_a_body_has_no_reference(carrier):
    carrier.answers("POST", SUBSCRIPTION, status=202, body=b"")
    assert not await client(carrier).subscribe(NUMBER)


async def test_a_handshake_is_answered_with_its_secret(carrier):
    carrier.answers("POST", f"{SUBSCRIPTION}/sub-1", status=204, body=b"")
    await client(carrier).confirm(Handshake(f"{BASE}/tracking/push/v1/subscription/sub-1", "s3cret"))
    assert carrier.calls[0].headers["dhl-api-hook-secret"] == "s3cret"
    assert carrier.calls[0].headers["dhl-api-key"] == "the-api-key"


async def test_a_sandbox_on_plain_http_is_allowed_when_it_is_the_base_url(carrier):
    carrier.answers("POST", f"{SUBSCRIPTION}/sub-1", status=204, body=b"")
    sandbox = client(carrier, base_url="http://127.0.0.1:8090/dhl")
    await sandbox.confirm(Handshake("http://127.0.0.1:8090/dhl/tracking/push/v1/subscription/sub-1", "s"))
    with pytest.raises(CarrierRefused, match="FOREIGN_ADDRESS"):
        await sandbox.confirm(Handshake("http://127.0.0.1:8091/dhl/tracking/push/v1/subscription/sub-1", "s"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://carrier.test/dhl/tracking/push/v1/subscription/sub-1",
        "https://evil.test/tracking/push/v1/subscription/sub-1",
        "https://carrier.test.evil.test/tracking/push/v1/subscription/sub-1",
        "https://carrier.test/admin",
        "https://carrier.test/dhl/tracking/push/v1/subscription/../../../admin",
        "https://x:y@carrier.test/dhl/tracking/push/v1/subscription/sub-1",
    ],
)
async def test_a_handshake_never_leads_elsewhere(carrier, url):
    with pytest.raises(CarrierRefused, match="FOREIGN_ADDRESS"):
        await client(carrier).confirm(Handshake(url, "s3cret"))
    assert carrier.calls == []


@pytest.mark.parametrize("secret", ["a\r\nX: y", "ü"])
async def test_a_secret_that_cannot_stand_in_a_header_is_refused(carrier, secret):
    with pytest.raises(CarrierRefused, match="BAD_HANDSHAKE"):
        await client(carrier).confirm(Handshake(f"{BASE}/tracking/push/v1/subscription/sub-1", secret))


def test_the_key_is_not_in_the_repr():
    assert "the-api-key" not in repr(DhlAccess(BASE, "the-api-key"))
