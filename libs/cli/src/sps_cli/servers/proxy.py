"""A proxy between a client and a server over TCP that misbehaves when told to, as networks do."""

import asyncio
import random
import socket
import struct
from contextlib import suppress
from typing import Final

from sps_cli.servers.ports import LOOPBACK, free_port

PIECE_BYTES: Final = 65_536
IN_FLIGHT_PIECES: Final = 64
"""What a slow direction holds at most; a sender that is faster waits, as it would at a full window."""
CONNECT_S: Final = 5.0
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on the loopback and passes everything on to `target` ("HOST:PORT") until told otherwise.

    The port stays the same over `cut` and `heal`. What it is told holds for the connections that are open and
    for those that come.
    """

    def __init__(self, target: str, *, port: int = 0) -> None:
        self.target = target
        self.port = port or free_port()
        self._server: asyncio.Server | None = None
        self._weather = _Weather()
        self._links: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open through it."""
        return len(self._links)

    async def start(self) -> None:
        """Listen. OSError when the port is taken."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def stop(self) -> None:
        """Drop everything and listen no more."""
        await self.cut()

    async def cut(self) -> None:
        """Reset all connections and accept none; a client is refused."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._reset_all()

    def hold(self) -> None:
        """The black hole: connections stay and new ones are accepted, but no byte arrives at either end."""
        self._weather.passing.clear()

    def slow(self, delay_s: float, jitter_s: float = 0.0, bytes_per_s: int | None = None) -> None:
        """Each piece arrives `delay_s` ± `jitter_s` later, each way, and no faster than `bytes_per_s`."""
        self._weather.delay_s, self._weather.jitter_s = delay_s, jitter_s
        self._weather.bytes_per_s = bytes_per_s

    def drop_answers(self) -> None:
        """Requests arrive and are carried out; their answers are lost."""
        self._weather.answers_lost = True

    async def heal(self) -> None:
        """Behave, and listen again. What was held arrives; connections that lost answers are reset."""
        lost = self._weather.answers_lost
        self._weather.clear_up()
        if lost:
            await self._reset_all()
        await self.start()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # it was accepted while `cut` was at work
            _reset(writer)
            return
        link = asyncio.create_task(_link(reader, writer, self.target, self._weather))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _reset_all(self) -> None:
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)


class _Weather:
    """What the proxy was told last."""

    def __init__(self) -> None:
        self.passing = asyncio.Event()
        self.clear_up()

    def clear_up(self) -> None:
        self.delay_s = 0.0
        self.jitter_s = 0.0
        self.bytes_per_s: int | None = None
        self.answers_lost = False
        self.passing.set()

    def due(self, size: int, now: float, before: float) -> float:
        """When a piece arrives: never before the piece that was sent before it."""
        chance = random.uniform(-self.jitter_s, self.jitter_s)  # noqa: S311 weather is no secret
        ready = max(before, now + max(0.0, self.delay_s + chance))
        return ready + (size / self.bytes_per_s if self.bytes_per_s else 0.0)


async def _link(
    client: asyncio.StreamReader, to_client: asyncio.StreamWriter, target: str, weather: _Weather
) -> None:
    """One connection, until both ends have closed it or one end is reset; then the other is reset too."""
    host, _, port = target.rpartition(":")
    to_server: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(CONNECT_S):
            server, to_server = await asyncio.open_connection(host, int(port))
        async with asyncio.TaskGroup() as both:
            both.create_task(_direction(client, to_server, weather, answers=False))
            both.create_task(_direction(server, to_client, weather, answers=True))
        to_client.close()
        to_server.close()
    except* OSError:
        pass  # a broken connection: its ends are told by the reset below
    finally:
        _reset(to_client)
        if to_server is not None:
            _reset(to_server)


async def _direction(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, weather: _Weather, *, answers: bool
) -> None:
    travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(IN_FLIGHT_PIECES)
    async with asyncio.TaskGroup() as ends:
        ends.create_task(_take(source, travelling, weather))
        ends.create_task(_give(sink, travelling, weather, answers=answers))


async def _take(
    source: asyncio.StreamReader, travelling: asyncio.Queue[tuple[float, bytes]], weather: _Weather
) -> None:
    loop, due = asyncio.get_running_loop(), 0.0
    while True:
        piece = await source.read(PIECE_BYTES)
        due = weather.due(len(piece), loop.time(), due)
        await travelling.put((due, piece))
        if not piece:
            return


async def _give(
    sink: asyncio.StreamWriter,
    travelling: asyncio.Queue[tuple[float, bytes]],
    weather: _Weather,
    *,
    answers: bool,
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due, piece = await travelling.get()
        if (wait_s := due - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        await weather.passing.wait()
        if not piece:
            sink.write_eof()
            return
        if not (answers and weather.answers_lost):
            sink.write(piece)
            await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other end learns of a reset; a connection that is closed already is left alone."""
    if writer.is_closing():
        return
    carrier = writer.get_extra_info("socket")
    with suppress(OSError):
        carrier.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    writer.transport.abort()
