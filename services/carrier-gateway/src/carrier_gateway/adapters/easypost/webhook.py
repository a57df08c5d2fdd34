"""EasyPost, origin: `X-Hmac-Signature: hmac-sha256-hex=<hex>` over the raw body (their version 1).

The key is the secret after Unicode NFKD, as UTF-8. There is no time in it, so age proves nothing and a
message three days late is welcome; a replay is known by its event id, for ever.
"""

import hashlib
import hmac
import unicodedata
from typing import Final

from carrier_gateway.adapters.bounded_http import json_object
from carrier_gateway.adapters.proving import SECRETS_MAX, WEBHOOK_BYTES_MAX, any_equal
from carrier_gateway.adapters.words import word
from carrier_gateway.application.carrier_port import Forged, Genuine, WebhookRequest

SIGNATURE_HEADER: Final = "x-hmac-signature"
PREFIX: Final = "hmac-sha256-hex="
SECRET_CHARS_MIN: Final = 6
EVENT_ID_CHARS_MAX: Final = 100


def signature(secret: str, body: bytes) -> str:
    """The header's value for a body."""
    key = unicodedata.normalize("NFKD", secret).encode()
    return PREFIX + hmac.digest(key, body, "sha256").hex()


class EasyPostWebhook:
    """Proves messages with one secret, or two while they are being exchanged."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        if not 1 <= len(secrets) <= SECRETS_MAX or min(map(len, secrets)) < SECRET_CHARS_MIN:
            raise ValueError(f"one or two secrets of {SECRET_CHARS_MIN} characters or more")
        self._secrets = secrets

    def prove(self, request: WebhookRequest) -> Genuine | Forged:
        if len(request.body) > WEBHOOK_BYTES_MAX:
            return Forged("too_large")
        given = request.header(SIGNATURE_HEADER)
        good = any_equal(given or "", [signature(secret, request.body) for secret in self._secrets])
        if not given:
            return Forged("header")
        if not good:
            return Forged("signature")
        return Genuine("signed", _key(request.body)) if request.body else Forged("empty")


def _key(body: bytes) -> str:
    """The event's id; the body's hash when a genuine message has none that we can read."""
    event_id = word((json_object(body) or {}).get("id"))
    if 0 < len(event_id) <= EVENT_ID_CHARS_MAX and event_id.isascii():
        return event_id
    return hashlib.sha256(body).hexdigest()
