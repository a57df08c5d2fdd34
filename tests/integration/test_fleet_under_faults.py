"""Nine processes over real Kafka and PostgreSQL: whatever dies, stands still or is cut off, the books stay exact."""

import asyncio
import random
import sys

import httpx
import pytest
import pytest_asyncio
from fleet_kit import SEED, moment, table, town
from platform_kit import eventually

from sps_cli.fleet import Fleet
from sps_cli.servers.ports import free_port
from sps_cli.storm.faults import Fault
from sps_cli.wiring import NODES, SERVICES

pytestmark = [pytest.mark.fleet, pytest.mark.asyncio(loop_scope="module")]

PAUSED_S = 10.0
DISTURBED_S = 4.0
GRACE_S = 25.0
UP_S = 60.0
NODE = random.Random(SEED).choice(NODES)
VICTIMS = (NODE, "kafka", "postgres", *SERVICES)
NETWORKS = (
    ("cut", "settlement", "kafka"),
    ("cut", "payment-gateway", "postgres"),
    ("cut", "node-3", "kafka"),
    ("hold", "contract-api", "kafka"),
    ("hold", "settlement", "postgres"),
    ("slow", "carrier-gateway", "kafka"),
    ("slow", "contract-api", "postgres"),
    ("lose answers", "payment-gateway", "kafka"),
    ("lose answers", "settlement", "postgres"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(request, tmp_path_factory):
    async with town(tmp_path_factory.mktemp("fleet")) as here:
        yield here
        plugins = request.config.pluginmanager
        with plugins.getplugin("capturemanager").global_and_fixture_disabled():
            sys.stdout.write("\n".join(["", *table(here.strikes), ""]))


async def test_stories_end_as_told_on_nine_processes(fleet):
    await fleet.misbehave(repeat=2, shuffle=True)
    await fleet.load.next_end(0.0, UP_S)
    await fleet.is_exact()


@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_killed_one_comes_back_and_the_books_are_exact(fleet, victim):
    await asyncio.sleep(moment(f"kill {victim}", 3.0))
    await fleet.suffers(Fault("kill", victim, moment(f"down {victim}", 2.0)))


@pytest.mark.parametrize("victim", VICTIMS)
async def test_one_that_stands_still_for_ten_seconds_changes_nothing(fleet, victim):
    await asyncio.sleep(moment(f"pause {victim}", 2.0))
    await fleet.suffers(Fault("pause", victim, PAUSED_S))


@pytest.mark.parametrize(("kind", "process", "server"), NETWORKS, ids=lambda word: word.replace(" ", "-"))
async def test_a_network_that_fails_changes_nothing(fleet, kind, process, server):
    await asyncio.sleep(moment(f"{kind} {process} {server}", 2.0))
    await fleet.suffers(Fault(kind, process, DISTURBED_S, server, delay_s=0.2))


async def test_providers_that_lose_answers_while_a_gateway_dies_are_paid_once(fleet):
    for provider in ("alipay", "stripe"):
        await fleet.misbehave(provider=provider, drop_answer_after_executing=3, repeat=2, shuffle=True)
    await fleet.suffers(Fault("kill", "payment-gateway", 0.0), Fault("kill", "settlement", 1.0))


@pytest.mark.parametrize("name", ["settlement", "payment-gateway"])
async def test_one_that_was_replaced_while_it_stood_still_ends_when_it_wakes(fleet, name):
    usual, monitor = fleet.arena.fleet, free_port()
    usual.pause(name)
    twin = Fleet(fleet.arena.folder, usual.wiring.backends)
    try:
        await twin.start_one(name, port=free_port(), monitor_port=monitor)
        await eventually(lambda: _not_ready(monitor), UP_S)
        usual.resume(name)
        async with asyncio.timeout(UP_S):
            assert await usual.ended(name) == 1
        assert "Fenced" in usual.log_path(name).read_text()
        await asyncio.sleep(moment(f"twin of {name}", 3.0))
        ended = await twin.stop([name])
        assert ended[name].well
    finally:
        await twin.close()
    await usual.start_one(name)
    await fleet.is_exact()


async def _not_ready(monitor):
    """What is wrong with the process at this port; nothing when it is ready."""
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{monitor}/health/ready")
    except httpx.TransportError as error:
        return repr(error)
    return "" if answer.is_success else answer.text


@pytest.mark.parametrize("server", ["kafka", "postgres"])
async def test_everybody_ends_within_the_grace_period_without_a_server_and_nothing_is_lost(fleet, server):
    arena = fleet.arena
    dead = arena.kafka if server == "kafka" else arena.postgres
    await asyncio.sleep(moment(f"end without {server}", 2.0))
    await dead.kill()
    await asyncio.sleep(1.0)  # requests pile up meanwhile
    ended = await arena.fleet.stop([*NODES, *SERVICES])
    assert {name: each.how for name, each in ended.items() if not each.well} == {}
    assert max(each.seconds for each in ended.values()) < GRACE_S
    await dead.start()
    for name in (*NODES, *SERVICES):
        await arena.fleet.start_one(name)
    await asyncio.gather(*(arena.fleet.ready(name, UP_S) for name in (*NODES, *SERVICES)))
    await fleet.is_exact()


async def test_everything_dies_at_once_and_comes_back(fleet):
    await asyncio.sleep(moment("everything", 2.0))
    await fleet.suffers(*(Fault("kill", name, 1.0) for name in (*NODES, "kafka", "postgres", *SERVICES)))
