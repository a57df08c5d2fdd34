"""What stands between a stranger's bytes and a route: bounds on headers, body and patience.

Pure ASGI, so that the bound holds while the body streams, whoever reads it. Whatever goes wrong below,
the answer is a problem document; nothing of our own insides leaves.
"""

import asyncio
import re
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sps import identifiers
from sps.runtime.errors import is_trouble
from sps.runtime.ids import new_id
from sps.runtime.logs import get_logger
from sps.runtime.metrics import HttpMetrics
from sps.runtime.problems import PROBLEM_JSON, Problem, of_exception, plain_problem, problem_body

BODY_BYTES_MAX: Final = 256 * 1024
HEADER_BYTES_MAX: Final = 8 * 1024
HEADERS_MAX: Final = 64
STALL_S: Final = 5.0
"""No byte of a body for this long and the request is over."""
BODY_S: Final = 30.0
"""A whole body takes at most this long, however steadily it drips."""
DRAIN_BYTES_MAX: Final = 16 * 1024 * 1024
DRAIN_S: Final = 2.0
"""What is still read of a refused body, so that the caller can read the answer."""

TOO_LARGE: Final = 413

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_.-]{8,64}", re.ASCII)
_CLOSE: Final = {"connection": "close"}


class Guard:
    """The outermost layer of an application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        body_bytes_max: int = BODY_BYTES_MAX,
        stall_s: float = STALL_S,
        metrics: HttpMetrics | None = None,
    ) -> None:
        self._app = app
        self._log = get_logger(service)
        self._body_bytes_max = body_bytes_max
        self._stall_s = stall_s
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["sps.request_id"] = request_id
        body = _BoundedBody(receive, self._body_bytes_max, self._stall_s)
        answer = _Answer(send, request_id, body)
        began = time.perf_counter()
        if self._metrics:
            self._metrics.in_flight.inc()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._answer(scope, body, answer, request_id)
            finally:
                self._report(scope, answer, time.perf_counter() - began)

    async def _answer(self, scope: Scope, body: "_BoundedBody", answer: "_Answer", request_id: str) -> None:
        try:
            check_headers(scope, self._body_bytes_max)
            await self._app(scope, body.receive, answer.send)
        except Exception as error:
            problem = of_exception(error)
            self._tell(error, problem, route_of(scope))
            if answer.status:
                raise  # half an answer is out; the connection has to break
            body.refuse(problem)
            await _send_problem(answer.send, problem, request_id)

    def _tell(self, error: Exception, problem: Problem, route: str) -> None:
        """Trouble comes in floods while a server is away, and says all in a line; a defect shows its way."""
        if is_trouble(error):
            self._log.warning("http.trouble", route=route, error=repr(error))
        elif problem.status_code >= 500:  # noqa: PLR2004 the first of the server's own errors
            self._log.error("http.failed", route=route, exc_info=error)

    def _report(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        route, method = route_of(scope), method_of(scope)
        self._log.info(
            "http", method=method, route=route, code=answer.status, duration_ms=round(seconds * 1e3, 1)
        )
        if self._metrics:
            self._metrics.in_flight.dec()
            self._metrics.requests.labels(method, route, str(answer.status)).inc()
            self._metrics.duration.labels(method, route).observe(seconds)


class _BoundedBody:
    """The request's body, counted and timed."""

    def __init__(self, receive: Receive, bytes_max: int, stall_s: float) -> None:
        self._receive = receive
        self._left = bytes_max
        self._bytes_max = bytes_max
        self._stall_s = stall_s
        self._ends = asyncio.get_running_loop().time() + BODY_S
        self._complete = False
        self._broken: Problem | None = None

    async def receive(self) -> Message:
        if self._broken:  # whoever caught it once does not get the rest as if it were whole
            raise self._broken
        if self._complete:
            return await self._receive()  # waits for the caller's disconnect
        try:
            message = await self._next()
        except TimeoutError:
            self._broken = plain_problem(408, f"no byte of the body for {self._stall_s:g} s", _CLOSE)
            raise self._broken from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self._broken = too_large(self._bytes_max)
            raise self._broken
        return message

    def refuse(self, problem: Problem) -> None:
        """Nobody will read it any more."""
        self._broken = self._broken or problem

    async def drain(self) -> None:
        """Read on in what was refused as too large, within bounds, or the caller never reads the answer."""
        if self._broken is None or self._broken.status_code != TOO_LARGE:
            return
        left = DRAIN_BYTES_MAX
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._complete and left > 0:
                    left -= len((await self._next()).get("body", b""))
        except TimeoutError:
            return

    async def _next(self) -> Message:
        patience = min(self._stall_s, self._ends - asyncio.get_running_loop().time())
        async with asyncio.timeout(max(patience, 0)):
            message = await self._receive()
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message


class _Answer:
    """The way back: adds the request's id, remembers the status."""

    def __init__(self, send: Send, request_id: str, body: _BoundedBody) -> None:
        self._send = send
        self._body = body
        self._request_id = request_id.encode()
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._body.drain()
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self._request_id)]
            message = {**message, "headers": headers}
        await self._send(message)


def check_headers(scope: Scope, body_bytes_max: int) -> None:
    """Refuse what can be refused before a byte of the body is read."""
    headers = scope["headers"]
    if (
        len(headers) > HEADERS_MAX
        or sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES_MAX
    ):
        raise plain_problem(431, f"at most {HEADERS_MAX} headers and {HEADER_BYTES_MAX} bytes", _CLOSE)
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or int(value[:20]) > body_bytes_max):
            raise too_large(body_bytes_max)


def too_large(bytes_max: int) -> Problem:
    return Problem(
        TOO_LARGE, "BODY_TOO_LARGE", "The body is too large", f"at most {bytes_max} bytes", headers=_CLOSE
    )


def route_of(scope: Scope) -> str:
    """The route's template, never the path: a label and a log line must not grow with the callers."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


def method_of(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "OTHER"


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return new_id(identifiers.REQUEST)


async def _send_problem(send: Send, problem: Problem, request_id: str) -> None:
    body = problem_body(problem, request_id)
    headers = {"content-type": PROBLEM_JSON, "content-length": str(len(body)), **(problem.headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status_code, "headers": raw})
    await send({"type": "http.response.body", "body": body})
