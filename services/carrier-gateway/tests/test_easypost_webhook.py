"""EasyPost's signature: the published vector, and everything that has to be refused."""

import json
import unicodedata
from pathlib import Path

import pytest

from carrier_gateway.adapters.easypost.webhook import EasyPostWebhook, signature
from carrier_gateway.adapters.proving import WEBHOOK_BYTES_MAX
from carrier_gateway.application.carrier_port import Forged, Genuine, WebhookRequest

RECORDED = Path(__file__).parent / "recorded"
VECTORS = json.loads((RECORDED / "easypost_vectors.json").read_text())
SECRET = "a-webhook-secret"
BODY = (RECORDED / "easypost_delivered.json").read_bytes()
HEADER = "x-hmac-signature"
webhook = EasyPostWebhook((SECRET,))


def request(body=BODY, *values, name=HEADER):
    return WebhookRequest(body, tuple((name, value) for value in values))


def good(body=BODY, secret=SECRET):
    return request(body, signature(secret, body))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_published_vectors_are_accepted(vector):
    body = vector["body"].encode()
    published = EasyPostWebhook((vector["secret"],))
    assert signature(vector["secret"], body) == vector["expected"]
    sent = request(body, vector["expected"], name=vector["header"].lower())
    assert published.prove(sent) == Genuine("signed", json.loads(body)["id"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_both_unicode_forms_of_a_secret_are_the_same_secret(vector):
    body, composed = vector["body"].encode(), unicodedata.normalize("NFC", vector["secret"])
    assert isinstance(EasyPostWebhook((composed,)).prove(request(body, vector["expected"])), Genuine)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_published_body_that_was_serialised_again_is_refused(vector):
    again = json.dumps(json.loads(vector["body"])).encode()
    assert EasyPostWebhook((vector["secret"],)).prove(request(again, vector["expected"])) == Forged(
        "signature"
    )


def test_a_signed_message_is_known_by_its_event():
    assert webhook.prove(good()) == Genuine("signed", "evt_77")


@pytest.mark.parametrize("position", [0, 1, len(BODY) // 2, len(BODY) - 1])
def test_one_changed_byte_is_refused(position):
    changed = bytearray(BODY)
    changed[position] ^= 1
    assert webhook.prove(request(bytes(changed), signature(SECRET, BODY))) == Forged("signature")


def test_one_changed_field_is_refused():
    changed = BODY.replace(b'"10115"', b'"10117"')
    assert webhook.prove(request(changed, signature(SECRET, BODY))) == Forged("signature")


def test_a_missing_an_empty_and_a_doubled_header_are_refused():
    right = signature(SECRET, BODY)
    assert webhook.prove(request(BODY)) == Forged("header")
    assert webhook.prove(request(BODY, "")) == Forged("header")
    assert webhook.prove(request(BODY, right, right)) == Forged("header")


@pytest.mark.parametrize("secret", ["another-secret", SECRET.upper(), SECRET + " "])
def test_the_signature_of_another_secret_is_refused(secret):
    assert webhook.prove(good(secret=secret)) == Forged("signature")


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda right: right.removeprefix("hmac-sha256-hex="),
        lambda right: right[:-1],
        lambda right: right + "0",
        lambda right: right.replace("hmac-sha256", "hmac-sha1"),
        lambda _: "ü" * 80,
        lambda _: "\udcff",
    ],
)
def test_a_bent_signature_is_refused(change):
    assert webhook.prove(request(BODY, change(signature(SECRET, BODY)))) == Forged("signature")


def test_a_body_that_is_not_utf_8_is_genuine_when_it_is_signed_and_known_by_its_hash():
    verdict = webhook.prove(good(b"\xff\xfe{"))
    assert isinstance(verdict, Genuine)
    assert len(verdict.key) == 64


def test_an_empty_body_is_refused_even_when_it_is_signed():
    assert webhook.prove(good(b"")) == Forged("empty")


def test_a_very_large_body_is_refused():
    assert webhook.prove(good(b"x" * (WEBHOOK_BYTES_MAX + 1))) == Forged("too_large")


@pytest.mark.parametrize("event_id", ["null", '""', "[1]", '"%s"' % ("x" * 101), '"\\u00fc"', "true"])
def test_an_unreadable_event_id_gives_the_hash_as_key(event_id):
    verdict = webhook.prove(good(b'{"id":%s}' % event_id.encode()))
    assert isinstance(verdict, Genuine)
    assert len(verdict.key) == 64


def test_while_secrets_are_exchanged_both_are_live():
    both = EasyPostWebhook(("the-new-secret", SECRET))
    assert isinstance(both.prove(good()), Genuine)
    assert isinstance(both.prove(good(secret="the-new-secret")), Genuine)
    assert both.prove(good(secret="a-third-one")) == Forged("signature")


@pytest.mark.parametrize(
    "secrets", [(), ("",), ("short",), ("long-enough", ""), ("one-good", "two-good", "three-good")]
)
def test_weak_or_too_many_secrets_are_not_accepted(secrets):
    with pytest.raises(ValueError, match="one or two secrets"):
        EasyPostWebhook(secrets)
