"""A web server for probes and scrapes: GET of a few paths, one request a connection, everything bounded.

It shares nothing with the service's own server: neither its middleware nor its limits can starve a probe.
"""

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from sps.runtime.errors import Trouble

HEAD_BYTES_MAX: Final = 8 * 1024
HEAD_S: Final = 5.0
"""A request's head has to be complete within this, and the answer to be taken."""
CONNECTIONS_MAX: Final = 32
"""At the same time; one more is closed at once."""
STOP_S: Final = 1.0


class Answer(Struct, frozen=True):
    """What is sent back."""

    body: bytes
    media_type: str
    status: int = 200


Answers = Callable[[str], Answer | None]
"""The answer to GET of a path (without its query); None: there is no such page."""


class SmallServer:
    """One listening socket. `start` returns when it listens; both are harmless when repeated."""

    def __init__(self, answers: Answers, host: str = "127.0.0.1", port: int = 0) -> None:
        self._answers: Final = answers
        self._host: Final = host
        self._wanted: Final = port
        self._server: asyncio.Server | None = None
        self._open: Final[set[asyncio.Task[None]]] = set()

    @property
    def port(self) -> int:
        """The port that it listens on; known after `start`."""
        if self._server is None or not self._server.sockets:
            return self._wanted
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Raises `Trouble` when the port is taken."""
        if self._server is not None:
            return
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._wanted, limit=HEAD_BYTES_MAX, reuse_address=True
            )
        except OSError as error:
            raise Trouble(f"cannot listen on {self._host}:{self._wanted}: {error.strerror}") from error

    async def stop(self) -> None:
        """Close the socket and all connections, within `STOP_S`."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=STOP_S)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # No coroutine: asyncio would make the task, and complain about one that we cancel.
        if len(self._open) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_S):
                await self._talk(reader, writer)
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(self._response(head))
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            await reader.read(1)  # the caller has taken it when it closes too

    def _response(self, head: bytes) -> bytes:
        words = head.split(b"\r\n", 1)[0].split(b" ")
        method, path = (words[0], words[1]) if len(words) == 3 else (b"", b"")  # noqa: PLR2004 method, path, version
        if method not in {b"GET", b"HEAD"}:
            return _encoded(Answer(b"", "text/plain", 405 if method else 400), with_body=False)
        answer = self._answers(path.split(b"?", 1)[0].decode("latin-1"))
        return _encoded(answer or Answer(b"", "text/plain", 404), with_body=method == b"GET")


def _encoded(answer: Answer, *, with_body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"content-type: {answer.media_type}\r\ncontent-length: {len(answer.body)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + (answer.body if with_body else b"")
