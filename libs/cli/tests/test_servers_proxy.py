"""The proxy misbehaves exactly as it is told, and behaves again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from sps_cli.servers.proxy import Proxy

SOON_S = 0.15
"""Long enough for a byte on the loopback; short enough to wait for nothing."""
AT_LAST_S = 5.0


class Echo:
    """Answers what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.at_end = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                self.heard += piece
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            self.at_end.set()
            writer.close()


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    proxy = Proxy(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await proxy.start()
    yield echo, proxy
    await proxy.stop()
    server.close()


@asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = proxy.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def heard(reader: asyncio.StreamReader, size: int, limit_s: float = AT_LAST_S) -> bytes:
    async with asyncio.timeout(limit_s):
        return await reader.readexactly(size)


async def test_it_passes_on_what_is_said_in_both_directions(echo):
    _, proxy = echo
    long = bytes(range(256)) * 20_000
    async with client(proxy) as (reader, writer):
        writer.write(long)
        assert await heard(reader, len(long)) == long


async def test_an_end_that_is_closed_is_closed_behind_it_too(echo):
    behind, proxy = echo
    async with client(proxy) as (reader, writer):
        writer.write(b"bye")
        writer.write_eof()
        assert await heard(reader, 3) == b"bye"
        assert await reader.read() == b""
    async with asyncio.timeout(AT_LAST_S):
        await behind.at_end.wait()
    await asyncio.sleep(0.01)
    assert proxy.connections == 0


async def test_a_cut_resets_who_is_there_and_refuses_who_comes_until_it_heals(echo):
    behind, proxy = echo
    async with client(proxy) as (reader, writer):
        writer.write(b"a")
        await heard(reader, 1)
        await proxy.cut()
        with pytest.raises(ConnectionResetError):
            await heard(reader, 1)
    async with asyncio.timeout(AT_LAST_S):
        await behind.at_end.wait()
    with pytest.raises(ConnectionRefusedError):
        async with client(proxy):
            pass
    before = proxy.address
    await proxy.heal()
    assert proxy.address == before
    async with client(proxy) as (reader, writer):
        writer.write(b"b")
        assert await heard(reader, 1) == b"b"


async def test_a_black_hole_swallows_nothing_for_ever_and_refuses_nobody(echo):
    behind, proxy = echo
    async with client(proxy) as (early, to_early):
        to_early.write(b"a")
        await heard(early, 1)
        proxy.hold()
        to_early.write(b"b")
        async with client(proxy) as (late, to_late):
            to_late.write(b"c")
            with pytest.raises(TimeoutError):
                await heard(late, 1, SOON_S)
            assert behind.heard == b"a"
            await proxy.heal()
            assert (await heard(early, 1), await heard(late, 1)) == (b"b", b"c")


async def test_lost_answers_are_those_of_requests_that_were_carried_out(echo):
    behind, proxy = echo
    async with client(proxy) as (reader, writer):
        proxy.drop_answers()
        writer.write(b"pay")
        with pytest.raises(TimeoutError):
            await heard(reader, 1, SOON_S)
        assert behind.heard == b"pay"
        await proxy.heal()
        with pytest.raises(ConnectionResetError):  # a stream with a hole in it is of no use to anybody
            await heard(reader, 1)


async def test_a_slow_line_delays_each_way_and_keeps_the_order(echo):
    _, proxy = echo
    proxy.slow(0.05, jitter_s=0.04)
    loop = asyncio.get_running_loop()
    async with client(proxy) as (reader, writer):
        began = loop.time()
        for i in range(20):
            writer.write(bytes([i]))
            await asyncio.sleep(0.002)
        assert await heard(reader, 20) == bytes(range(20))
        assert loop.time() - began >= 2 * 0.01


async def test_a_narrow_line_takes_its_time(echo):
    _, proxy = echo
    proxy.slow(0.0, bytes_per_s=100_000)
    loop = asyncio.get_running_loop()
    async with client(proxy) as (reader, writer):
        began = loop.time()
        writer.write(b"x" * 30_000)
        await heard(reader, 30_000)
        assert loop.time() - began >= 0.3
        await proxy.heal()
        began = loop.time()
        writer.write(b"x" * 30_000)
        await heard(reader, 30_000)
        assert loop.time() - began < 0.3


async def test_a_fast_sender_waits_for_a_line_that_holds(echo):
    _, proxy = echo
    async with client(proxy) as (_, writer):
        proxy.hold()
        writer.write(b"x" * 30_000_000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON_S * 4):
                await writer.drain()
        writer.transport.abort()


async def test_who_calls_while_the_target_is_down_is_reset():
    proxy = Proxy("127.0.0.1:1")
    await proxy.start()
    try:
        async with client(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await heard(reader, 1)
    finally:
        await proxy.stop()
