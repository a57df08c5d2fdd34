"""DHL, origin: an unguessable part of the path and our own token in a header; nothing is signed.

So a good request proves only that the sender knows what we told DHL: it is a hint, never evidence to pay on.
"""

import hashlib
from typing import Final

from carrier_gateway.adapters.proving import SECRETS_MAX, WEBHOOK_BYTES_MAX, any_equal
from carrier_gateway.application.carrier_port import Forged, Genuine, WebhookRequest

TOKEN_HEADER: Final = "X-Escrow-Token"  # noqa: S105 the name of a header
SECRET_CHARS_MIN: Final = 32


class DhlWebhook:
    """Proves pushes. `path_secret` and `tokens` are ours; the first token is the one we give to DHL."""

    def __init__(self, path_secret: str, tokens: tuple[str, ...]) -> None:
        if not 1 <= len(tokens) <= SECRETS_MAX or min(map(len, (path_secret, *tokens))) < SECRET_CHARS_MIN:
            raise ValueError(f"a path secret and one or two tokens of {SECRET_CHARS_MIN} characters or more")
        self._path_secret = path_secret
        self._tokens = tokens

    def prove(self, request: WebhookRequest) -> Genuine | Forged:
        token = request.header(TOKEN_HEADER.lower())
        known_path = any_equal(request.path_secret, (self._path_secret,))
        known_token = any_equal(token or "", self._tokens)
        if not known_path:
            return Forged("path")
        if token is None or not known_token:
            return Forged("header" if token is None else "secret")
        if not 0 < len(request.body) <= WEBHOOK_BYTES_MAX:
            return Forged("too_large" if request.body else "empty")
        return Genuine("pushed", hashlib.sha256(request.body).hexdigest())
