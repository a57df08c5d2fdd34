"""The monitor over a real socket: what it says of the process, and what it does with strangers."""

import asyncio
import time

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from sps.runtime import monitor as monitor_module
from sps.runtime import monitor_http
from sps.runtime.errors import Trouble
from sps.runtime.monitor import Monitor

READY = {"loops": True, "chain": True}


class Dependency:
    """Up, down, or silent, as the test wants it."""

    def __init__(self) -> None:
        self.up, self.silent, self.tries = True, False, 0

    async def check(self) -> None:
        self.tries += 1
        if self.silent:
            await asyncio.sleep(60)
        if not self.up:
            raise Trouble("away")


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    for name, value in (("CHECK_S", 0.01), ("RECHECK_S", 0.01), ("FIRST_S", 0.01), ("CHECK_LIMIT_S", 0.05)):
        monkeypatch.setattr(monitor_module, name, value)


@pytest.fixture
async def database() -> Dependency:
    return Dependency()


@pytest.fixture
async def monitor(database):
    made = Monitor("test", CollectorRegistry(), lambda: READY, checks={"database": database.check})
    await made.start()
    await made.open()
    yield made
    await made.stop()


@pytest.fixture
async def client(monitor):
    async with httpx.AsyncClient(base_url=monitor.url, trust_env=False) as made:
        yield made


async def until(monitor: Monitor, ready: bool) -> None:
    async with asyncio.timeout(2):
        while monitor.ready() is not ready:  # noqa: ASYNC110 what is waited for has no event
            await asyncio.sleep(0.002)


async def talk(monitor: Monitor, *pieces: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", monitor.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    try:
        async with asyncio.timeout(2):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_ready_names_every_dependency(monitor, client, database) -> None:
    await until(monitor, True)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "ready": True,
            "started": True,
            "ending": False,
            "dependencies": {"loops": True, "chain": True, "database": True},
        },
    )
    database.up = False
    await until(monitor, False)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["dependencies"]["database"]) == (503, False)
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("fault", ["up", "silent"])
async def test_live_does_not_care_about_dependencies_and_they_come_back(
    monitor, client, database, fault
) -> None:
    await until(monitor, True)
    setattr(database, fault, fault == "silent")
    await until(monitor, False)
    assert (await client.get("/health/live")).json() == {"live": True}
    setattr(database, fault, fault != "silent")
    await until(monitor, True)


async def test_one_failed_try_is_not_an_outage(monitor, database) -> None:
    await until(monitor, True)
    database.up = False
    seen = database.tries
    while database.tries == seen:  # noqa: ASYNC110 the same
        await asyncio.sleep(0)
    database.up = True
    for _ in range(20):
        assert monitor.ready()
        await asyncio.sleep(0.002)


async def test_never_two_tries_at_a_time_even_of_one_that_cannot_be_cancelled(monitor, database) -> None:
    running, most = 0, 0
    release = asyncio.Event()

    async def stubborn() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        running -= 1

    other = Monitor("test", CollectorRegistry(), dict, checks={"x": stubborn})
    await other.start()
    await other.open()
    await asyncio.sleep(0.2)
    assert most == 1
    assert not other.ready()
    release.set()
    await until(other, True)
    await other.stop()


async def test_whoever_is_asked_to_end_is_not_ready_any_more(monitor, client) -> None:
    await until(monitor, True)
    monitor.end()
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["ending"]) == (503, True)
    assert (await client.get("/health/live")).status_code == 200


async def test_before_the_service_has_come_up_it_is_alive_and_not_ready() -> None:
    monitor = Monitor("test", CollectorRegistry(), lambda: READY)
    await monitor.start()
    async with httpx.AsyncClient(base_url=monitor.url, trust_env=False) as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).json()["started"] is False
        await monitor.open()
        assert (await client.get("/health/ready")).status_code == 200
    await monitor.stop()


async def test_metrics_say_what_was_built_what_is_up_and_how_late_the_loop_is(
    monitor, client, monkeypatch
) -> None:
    monkeypatch.setattr(monitor_module, "SAMPLE_S", 0.01)
    await until(monitor, True)
    await asyncio.sleep(0.3)  # the first pause was the long one
    time.sleep(0.06)  # noqa: ASYNC251 what holds up the loop is what is measured
    await asyncio.sleep(0.02)
    text = (await client.get("/metrics")).text
    assert "sps_build_info{commit=" in text
    assert "sps_ready 1.0" in text
    assert 'sps_dependency_up{dependency="database"} 1.0' in text
    late = next(line for line in text.splitlines() if line.startswith("sps_event_loop_lag_seconds_sum"))
    assert float(late.split()[1]) > 0.03


async def test_metrics_of_several_registries_stand_on_one_page(monitor, client) -> None:
    registry = CollectorRegistry()
    Counter("sps_other_total", "Another one", registry=registry).inc()
    monitor.show(registry)
    text = (await client.get("/metrics")).text
    assert "sps_other_total 1.0" in text
    assert "sps_ready" in text


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /nothing HTTP/1.1", b"404"),
        (b"GET /health/live?x=1 HTTP/1.0", b"200"),
        (b"HEAD /metrics HTTP/1.1", b"200"),
        (b"POST /metrics HTTP/1.1", b"405"),
        (b"\xff\xfe", b"400"),
    ],
)
async def test_only_a_few_pages_can_be_got(monitor, request_line, status) -> None:
    answer = await talk(monitor, request_line + b"\r\nhost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)
    if request_line.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")


async def test_a_head_without_an_end_or_that_is_too_long_ends_its_connection(monitor, monkeypatch) -> None:
    monkeypatch.setattr(monitor_http, "HEAD_S", 0.05)
    assert await talk(monitor, b"GET /health/live HTTP/1.1\r\nx: ") == b""
    assert await talk(monitor, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 5_000) == b""


async def test_connections_are_bounded_and_idle_ones_do_not_block_a_probe_for_ever(
    monitor, client, monkeypatch
) -> None:
    monkeypatch.setattr(monitor_http, "CONNECTIONS_MAX", 4)
    monkeypatch.setattr(monitor_http, "HEAD_S", 0.1)
    idle = [await asyncio.open_connection("127.0.0.1", monitor.port) for _ in range(6)]
    await asyncio.sleep(0.2)
    assert (await client.get("/health/live")).status_code == 200
    for _, writer in idle:
        writer.close()


async def test_a_port_that_is_taken_is_trouble_and_starting_twice_is_harmless(monitor) -> None:
    await monitor.start()
    second = Monitor("test", CollectorRegistry(), dict, port=monitor.port)
    with pytest.raises(Trouble, match="cannot listen"):
        await second.start()
    await second.stop()


async def test_after_stopping_nobody_listens(monitor) -> None:
    port = monitor.port
    await monitor.stop()
    await monitor.stop()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
