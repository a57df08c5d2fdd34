"""`POST /webhooks/{provider}`: the raw body is durable and proved before the answer goes out."""

from typing import Final, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from payment_gateway.application.ports import Answers

KEPT_HEADERS: Final = frozenset({"stripe-signature", "content-type", "content-length"})
UNKNOWN: Final = Answers("", "refused")


class Receiver(Protocol):
    """The use case behind the route."""

    async def receive(self, provider: str, body: bytes, headers: tuple[tuple[str, str], ...]) -> bool:
        """True: acknowledge."""


def webhook_router(receiver: Receiver, answers: dict[str, Answers]) -> APIRouter:
    """Routes for all providers that exist here; an unknown one is refused like a forgery."""
    router = APIRouter()

    @router.post("/webhooks/{provider}", response_class=PlainTextResponse)
    async def webhook(provider: str, request: Request) -> PlainTextResponse:
        body = await request.body()
        words = answers.get(provider)
        if words is None:
            return PlainTextResponse(UNKNOWN.bad, 401)
        good = await receiver.receive(provider, body, _kept(request))
        return PlainTextResponse(words.good if good else words.bad, 200 if good else 401)

    return router


def _kept(request: Request) -> tuple[tuple[str, str], ...]:
    """The headers that a proof may need, with repeats, names in lower case."""
    pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    return tuple((name.lower(), value) for name, value in pairs if name.lower() in KEPT_HEADERS)
