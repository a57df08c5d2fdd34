"""DHL signs nothing: our path and our token are all there is, and even then it is only a hint."""

import hashlib
from pathlib import Path

import pytest

from carrier_gateway.adapters.dhl.webhook import TOKEN_HEADER, DhlWebhook
from carrier_gateway.adapters.proving import WEBHOOK_BYTES_MAX
from carrier_gateway.application.carrier_port import Forged, Genuine, WebhookRequest

BODY = (Path(__file__).parent / "recorded" / "dhl_push.json").read_bytes()
PATH, TOKEN, OLD_TOKEN = "p" * 40, "t" * 40, "o" * 40
webhook = DhlWebhook(PATH, (TOKEN,))


def request(*tokens, body=BODY, path=PATH):
    return WebhookRequest(body, tuple((TOKEN_HEADER.lower(), token) for token in tokens), path)


def test_path_and_token_make_a_push_a_hint_known_by_its_hash():
    assert webhook.prove(request(TOKEN)) == Genuine("pushed", hashlib.sha256(BODY).hexdigest())


def test_no_push_is_ever_signed_evidence():
    assert webhook.prove(request(TOKEN)).origin == "pushed"


@pytest.mark.parametrize("path", ["", "p" * 39, "P" * 40, "p" * 41, "ü"])
def test_a_wrong_path_is_refused(path):
    assert webhook.prove(request(TOKEN, path=path)) == Forged("path")


def test_a_missing_an_empty_and_a_doubled_token_are_refused():
    assert webhook.prove(request()) == Forged("header")
    assert webhook.prove(request("")) == Forged("secret")
    assert webhook.prove(request(TOKEN, TOKEN)) == Forged("header")


@pytest.mark.parametrize("token", [OLD_TOKEN, TOKEN + " ", TOKEN[:-1], "ü" * 40, "\udcff"])
def test_another_token_is_refused(token):
    assert webhook.prove(request(token)) == Forged("secret")


def test_an_empty_and_a_very_large_body_are_refused():
    assert webhook.prove(request(TOKEN, body=b"")) == Forged("empty")
    assert webhook.prove(request(TOKEN, body=b"x" * (WEBHOOK_BYTES_MAX + 1))) == Forged("too_large")


def test_a_body_that_is_not_utf_8_is_kept():
    assert isinstance(webhook.prove(request(TOKEN, body=b"\xff")), Genuine)


def test_while_tokens_are_exchanged_both_are_live():
    both = DhlWebhook(PATH, (TOKEN, OLD_TOKEN))
    assert isinstance(both.prove(request(OLD_TOKEN)), Genuine)
    assert isinstance(both.prove(request(TOKEN)), Genuine)


@pytest.mark.parametrize(
    ("path", "tokens"), [("", (TOKEN,)), (PATH, ()), (PATH, ("",)), ("short", (TOKEN,)), (PATH, (TOKEN,) * 3)]
)
def test_weak_secrets_are_not_accepted(path, tokens):
    with pytest.raises(ValueError, match="32 characters"):
        DhlWebhook(path, tokens)
