"""For tests of carriers: a small carrier as an ASGI application, to be talked to without a socket."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Call:
    """One request that reached the carrier."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What the carrier answers; `stalls` means that the answer never comes."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    stalls: bool = False


class SmallCarrier:
    """Answers by method and path; remembers every call."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.replies: dict[tuple[str, str], Reply | Callable[[Call], Reply]] = {}

    def answers(self, method: str, path: str, **reply: Any) -> None:
        self.replies[method, path] = Reply(**reply)

    def transport(self) -> httpx.ASGITransport:
        return httpx.ASGITransport(app=self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = dict(httpx.QueryParams(scope["query_string"].decode()))
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        call = Call(scope["method"], scope["path"], query, headers, body)
        self.calls.append(call)
        reply = self.replies.get((call.method, call.path), Reply(404, b'{"title":"No such thing"}'))
        reply = reply(call) if callable(reply) else reply
        if reply.stalls:
            await asyncio.Event().wait()
        sent = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": sent})
        await send({"type": "http.response.body", "body": reply.body})
