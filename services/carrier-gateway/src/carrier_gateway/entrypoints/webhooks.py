"""`POST /webhooks/{carrier}` and `POST /webhooks/{carrier}/{secret path}`: where carriers speak to us.

Answers: 200 once the message is durable, 401 for everything whose origin is not proved, 503 to be told again.
"""

from fastapi import APIRouter, Request

from carrier_gateway.application.carrier_port import WebhookRequest
from carrier_gateway.application.receiving import Receiver
from sps.runtime.http import Problem


def webhooks_router(receiver: Receiver) -> APIRouter:
    """The public routes. One answer for all that is wrong, so that nobody learns what was."""
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])

    @router.post("/{carrier}")
    async def plain(carrier: str, request: Request) -> dict[str, bool]:
        return await _receive(receiver, carrier, "", request)

    @router.post("/{carrier}/{path_secret}")
    async def hidden(carrier: str, path_secret: str, request: Request) -> dict[str, bool]:
        return await _receive(receiver, carrier, path_secret, request)

    return router


async def _receive(receiver: Receiver, carrier: str, path_secret: str, request: Request) -> dict[str, bool]:
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    message = WebhookRequest(body=await request.body(), headers=headers, path_secret=path_secret)
    if not await receiver.receive(carrier, message):
        raise Problem(401, "UNAUTHORIZED", "The origin of this message is not proved")
    return {"received": True}
