"""DHL behind the port: its three files put together."""

from collections.abc import Sequence

from carrier_gateway.adapters.dhl.client import DhlClient
from carrier_gateway.adapters.dhl.mapping import read_message
from carrier_gateway.adapters.dhl.webhook import DhlWebhook
from carrier_gateway.application.carrier_port import (
    Forged,
    Genuine,
    Handshake,
    Message,
    Pulled,
    WebhookRequest,
)


class Dhl:
    """The port `Carrier` for DHL."""

    name = "dhl"

    def __init__(self, webhook: DhlWebhook, client: DhlClient) -> None:
        self._webhook = webhook
        self._client = client

    def prove(self, request: WebhookRequest) -> Genuine | Forged:
        return self._webhook.prove(request)

    def interpret(self, body: bytes) -> Sequence[Message]:
        return read_message(body)

    async def subscribe(self, number: str) -> str:
        return await self._client.subscribe(number)

    async def pull(self, number: str, reference: str) -> Pulled:
        del reference  # DHL is asked by the number
        return await self._client.pull(number)

    async def confirm(self, handshake: Handshake) -> None:
        await self._client.confirm(handshake)

    async def stop(self) -> None:
        await self._client.stop()
