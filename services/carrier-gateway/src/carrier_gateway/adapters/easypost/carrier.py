"""EasyPost behind the port: its three files put together."""

import hashlib
from collections.abc import Sequence

from carrier_gateway.adapters.easypost.client import EasyPostClient
from carrier_gateway.adapters.easypost.mapping import read_message
from carrier_gateway.adapters.easypost.webhook import EasyPostWebhook
from carrier_gateway.application.carrier_port import (
    CarrierRefused,
    Forged,
    Genuine,
    Handshake,
    Message,
    Pulled,
    WebhookRequest,
)


class EasyPost:
    """The port `Carrier` for EasyPost."""

    name = "easypost"

    def __init__(self, webhook: EasyPostWebhook, client: EasyPostClient) -> None:
        self._webhook = webhook
        self._client = client

    def prove(self, request: WebhookRequest) -> Genuine | Forged:
        return self._webhook.prove(request)

    def interpret(self, body: bytes) -> Sequence[Message]:
        return read_message(body, hashlib.sha256(body).hexdigest())

    async def subscribe(self, number: str) -> str:
        return await self._client.subscribe(number)

    async def pull(self, number: str, reference: str) -> Pulled:
        return await self._client.pull(number, reference)

    async def confirm(self, handshake: Handshake) -> None:
        del handshake  # none is ever sent
        raise CarrierRefused("NO_HANDSHAKE", "EasyPost knows no handshake")

    async def stop(self) -> None:
        await self._client.stop()
