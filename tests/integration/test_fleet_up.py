"""`sps up` with servers, as a person uses it: it starts everything, raises the dead, remembers, and refuses."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from otlp_collector import collector
from platform_kit import Process, check_the_end, eventually, places

from sps.tracing.context import trace_of
from sps_cli.provision import WANTED
from sps_cli.story import Story, Tale

pytestmark = [pytest.mark.fleet, pytest.mark.asyncio(loop_scope="session")]

READY_S = 90.0
SAID_S = 30.0
STOP_S = 28.0
OTHER = "kafka://127.0.0.1:1"


@pytest.fixture
def there():
    with collector() as listening:
        yield listening


@asynccontextmanager
async def databases_of(server):
    """Dropped afterwards, so that another test may make them."""
    try:
        yield
    finally:
        for name in WANTED:
            await server.drop_database(name)


async def test_sps_up_runs_nine_processes_on_servers_and_remembers_them(
    tmp_path, kafka_server, postgres_server, kafka_prefix, there
):
    kafka, postgres = f"kafka://{kafka_server.address}?prefix={kafka_prefix}", postgres_server.url
    async with databases_of(postgres_server), httpx.AsyncClient(trust_env=False) as client:
        words = ("--kafka", kafka, "--postgres", postgres, "--traces", there.url)
        process = Process(tmp_path / "state", *words, ready_s=READY_S)
        try:
            await process.start()
            assert b"settlement is ready" in process.output
            story = Story(places(process.folder), Tale("up"), client)
            for _, step in story.steps()[:8]:
                await step()
            await _kill_and_see_it_raised(process, "settlement")
            for _, step in story.steps()[8:]:
                await step()
            await check_the_end(process.folder, story)
            await _one_trace_tells_it(there, story.tale)
            assert json.loads(await _sps("books", "--state", tmp_path / "state", "--json"))["balanced"]
            code, took = await process.stop()
            assert (code, took < STOP_S) == (0, True), process.output.decode()
            await _it_remembers(tmp_path, client, story)
        finally:
            await process.kill()


async def _one_trace_tells_it(there, tale):
    """Over Kafka, and though settlement died between the release and the payout: it follows from the chain."""
    trace_id = trace_of(tale.contract).hex()
    trace = await there.whole(trace_id, "transaction payout.paid.v1", SAID_S)
    line = ["webhook dhl", "ask dhl", "transaction parcel.evidence.v1", "block"]
    released = trace.one("block", rules="D11 M1")
    assert trace.line(released) == line
    taken = trace.one("take order", order=tale.payout)
    line = ["transaction payout.request.v1", "block", "project", "order payout", "take order"]
    assert trace.line(taken) == line
    assert taken.links == ((trace_id, taken.parent),), "the header came with the record"
    assert (released.trace, released.id) in trace.one("transaction payout.request.v1").links


async def _kill_and_see_it_raised(process, package):
    pid = await _pid_of(process, package)
    os.kill(pid, signal.SIGKILL)

    async def raised():
        said = f"{package} ended with signal 9; started again in 0.5 s" in process.output.decode()
        again = await _pid_of(process, package) not in {pid, None}
        return "" if said and again else f"said {said}, started again {again}"

    await eventually(raised, SAID_S)


async def _pid_of(process, package):
    words = ("ps", "-o", "pid=,args=", "--ppid", str(process.pid))
    asked = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    said, _ = await asked.communicate()
    lines = [line.split() for line in said.decode().splitlines()]
    return next((int(line[0]) for line in lines if line[-1] == package), None)


async def _it_remembers(tmp_path, client, story):
    """Without servers named it takes its own; with others it refuses, and nothing is left running."""
    again = Process(tmp_path / "state", ready_s=READY_S)
    try:
        await again.start()
        assert (await story.contract())["state"] == "CLOSED"
        assert "another process runs" in await _sps("up", "--state", tmp_path / "state", fails=True)
        assert (await again.stop())[0] == 0
    finally:
        await again.kill()
    words = ("up", "--state", tmp_path / "state", "--kafka", OTHER, "--postgres", "postgres://localhost/x")
    assert "OTHER_SERVERS" in await _sps(*words, fails=True)
    elsewhere = ("up", "--state", tmp_path / "new", "--kafka", OTHER, "--postgres")
    servers = json.loads((tmp_path / "state" / "servers.json").read_text())
    assert "DATABASES_EXIST" in await _sps(*elsewhere, servers["postgres"], fails=True)
    assert "NO_POSTGRES" in await _sps(*elsewhere, "postgres://127.0.0.1:1/x", fails=True)
    assert not (tmp_path / "new").exists()


async def _sps(*words, fails=False):
    """Run the command to its end; what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sps_cli.main", *map(str, words),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(READY_S):
        said, _ = await process.communicate()
    assert (process.returncode == 1) == fails, said.decode()
    return said.decode()


async def test_nobody_is_left_behind_when_the_starter_is_killed(
    tmp_path, kafka_server, postgres_server, kafka_prefix, there
):
    kafka, postgres = f"kafka://{kafka_server.address}?prefix={kafka_prefix}", postgres_server.url
    process = Process(tmp_path / "state", "--kafka", kafka, "--postgres", postgres, ready_s=READY_S)
    async with databases_of(postgres_server), httpx.AsyncClient(trust_env=False, timeout=1.0) as client:
        try:
            await process.start()
            folder = process.folder
            await process.kill()
            await eventually(lambda: _alive(client, folder), STOP_S)
        finally:
            await process.kill()


async def _alive(client, folder):
    """The monitors that still answer."""
    found = []
    for name in (each for each in folder.ports if each.endswith(".monitor")):
        with suppress(httpx.TransportError):
            await client.get(f"{folder.url(name)}/health/live")
            found.append(name)
    return found
