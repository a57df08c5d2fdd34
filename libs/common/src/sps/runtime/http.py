"""The web application of a service, and its server. Every error is a problem document."""

import asyncio
import contextlib
import socket
from typing import Any, Final

import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.params import Form
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from sps.runtime.errors import Trouble
from sps.runtime.http_guard import BODY_BYTES_MAX, STALL_S, Guard
from sps.runtime.http_protocol import PatientProtocol
from sps.runtime.logs import get_logger
from sps.runtime.metrics import HttpMetrics
from sps.runtime.problems import FieldError, Problem, install_problem_handlers, plain_problem, responses

__all__ = [
    "BODY_BYTES_MAX",
    "FieldError",
    "HttpServer",
    "Problem",
    "create_app",
    "request_id_of",
    "responses",
]

START_S: Final = 10.0
STOP_S: Final = 3.0
BACKLOG: Final = 512
CONNECTIONS_MAX: Final = 1_000
KEEP_ALIVE_S: Final = 30
HEAD_BYTES_MAX: Final = 16 * 1024
"""What the parser holds of a request line and headers that are not complete."""


def create_app(
    title: str,
    *,
    version: str = "1",
    service: str = "http",
    body_bytes_max: int = BODY_BYTES_MAX,
    stall_s: float = STALL_S,
    registry: CollectorRegistry | None = None,
    **fastapi: Any,
) -> FastAPI:
    """An application with our answers to everything that can go wrong; further arguments go to FastAPI."""
    guard: dict[str, Any] = {"service": service, "body_bytes_max": body_bytes_max, "stall_s": stall_s}
    if registry is not None:
        guard["metrics"] = HttpMetrics(registry)
    app = FastAPI(
        title=title,
        version=version,
        middleware=[Middleware(Guard, **guard)],
        dependencies=[Depends(_json_means_json)],
        responses=responses(400, 408, 413, 415, 422, 431, 500, 503),
        **{"docs_url": None, "redoc_url": None, **fastapi},
    )
    install_problem_handlers(app)
    return app


def request_id_of(request: Request) -> str:
    """The id of this request: in its logs, in its answer, in its problems."""
    return str(request.scope["sps.request_id"])


def _json_means_json(request: Request) -> None:
    """415 for a route that reads JSON and is sent something else."""
    route = request.scope.get("route")
    field = route.body_field if isinstance(route, APIRoute) else None
    if field is None or isinstance(field.field_info, Form) or "content-length" not in request.headers:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise plain_problem(415, "send application/json")


class HttpServer:
    """One listening socket. `start` returns when it listens; `stop` within `STOP_S`."""

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host, self._wanted = host, port
        self._server: Final = _QuietServer(_config(app))
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; known after `start`."""
        if self._socket is None:
            return self._wanted
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}"

    async def start(self) -> None:
        self._socket = _listen(self._host, self._wanted)
        self._task = asyncio.create_task(self._server.serve([self._socket]), name=f"http:{self.port}")
        end = asyncio.get_running_loop().time() + START_S
        while not self._server.started:
            if self._task.done() or asyncio.get_running_loop().time() > end:
                await self.stop()
                raise Trouble(f"the HTTP server did not come up on {self._host}:{self._wanted}")
            await asyncio.sleep(0.005)
        get_logger("http").info("http.listens", url=self.url)

    async def stop(self) -> None:
        """Let running answers finish, for a moment; then close whatever is still open."""
        task, self._task = self._task, None
        if task is None:
            return
        self._server.should_exit = True
        await asyncio.wait({task}, timeout=STOP_S * 2 / 3)
        if not task.done():
            self._server.force_exit = True
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_S / 3)
        with contextlib.suppress(asyncio.CancelledError, Exception):
            task.result()
        if self._socket is not None:
            self._socket.close()


class _QuietServer(uvicorn.Server):
    """Signals are the process's business, not the server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PatientProtocol,  # h11: slower than httptools, but it bounds the head of a request
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(STOP_S / 2),
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's algorithm off; else each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Trouble(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener
