"""An upgrade under load over real Kafka and PostgreSQL: each process of an earlier commit is replaced in turn.

Contracts and webhooks go on meanwhile, nothing is lost, and the seconds in which a process is not ready are
printed; `docs/operate/upgrade.md` shows them.
"""

import asyncio
import os
import time

import pytest
import pytest_asyncio
from drill_kit import READY_S, Times, start
from fleet_kit import SEED, TELLERS, Town
from old_code import OLD, is_old, path_of, sources

from sps_cli.fleet import Fleet
from sps_cli.servers.ports import free_port
from sps_cli.storm.arena import Arena
from sps_cli.storm.load import Load
from sps_cli.wiring import NODES, SERVICES, database_name

pytestmark = [pytest.mark.deploy, pytest.mark.asyncio(loop_scope="module")]

UP_S = 60.0
EXPANDED = {
    "contract-api": "contract",
    "carrier-gateway": "parcel",
    "payment-gateway": "outgoing",
    "settlement": "payout_order",
}
"""A table of each service that is written all the time."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def times(request):
    kept = Times()
    yield kept
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        kept.show()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory, times):
    old = sources(tmp_path_factory.mktemp("old"))
    arena = Arena(tmp_path_factory.mktemp("upgrade"))
    with path_of(old):
        await arena.start()
    load = Load(arena.places, tellers=TELLERS, seed=SEED, name=f"upgrade{SEED}")
    try:
        assert all(is_old(arena.fleet.pid(name), old) for name in (*NODES, *SERVICES))
        load.start()
        yield Town(arena, load)
    finally:
        await load.stop()
        await arena.stop()


async def flows(fleet):
    """A story that began before this moment or after it comes to its end."""
    assert await fleet.load.next_end(asyncio.get_running_loop().time(), UP_S) is not None


async def test_the_old_version_runs_before_anything_is_replaced(fleet):
    await flows(fleet)
    await fleet.is_exact()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_column_that_is_added_first_does_not_disturb_the_old_version(fleet, service):
    import asyncpg

    url = fleet.arena.postgres.url_of(database_name(service)).replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'ALTER TABLE "{EXPANDED[service]}" ADD COLUMN not_yet_used TEXT NULL')
    finally:
        await connection.close()
    await flows(fleet)


@pytest.mark.parametrize("name", [*NODES, *SERVICES])
async def test_a_process_is_replaced_by_the_new_version_under_load(fleet, times, name):
    running = fleet.arena.fleet
    before = running.pid(name)
    began = time.monotonic()
    with times.of(f"{name}: stop the old one, start the new one, until it is ready"):
        ended = await running.stop_one(name)
        await start(fleet.arena, name)
    assert ended.well, ended.how
    assert running.pid(name) != before
    assert "PYTHONPATH" not in os.environ
    assert time.monotonic() - began < UP_S
    await flows(fleet)


async def test_nothing_was_lost_on_the_way_from_the_old_to_the_new_version(fleet, times):
    times.lines.append(f"upgraded from commit {OLD} under load, {len(fleet.load.ended())} stories ended")
    await fleet.is_exact()


@pytest.mark.parametrize("name", SERVICES)
async def test_a_new_one_beside_the_old_one_takes_over_and_ends_it(fleet, times, name):
    usual, monitor = fleet.arena.fleet, free_port()
    twin = Fleet(fleet.arena.folder, usual.wiring.backends)
    moments = {}

    async def old_ends():
        code = await usual.ended(name)
        moments["ended"] = time.monotonic()
        return code

    try:
        await twin.start_one(name, port=free_port(), monitor_port=monitor)
        ending = asyncio.create_task(old_ends())
        await ready_at(monitor)
        moments["ready"] = time.monotonic()
        async with asyncio.timeout(READY_S):
            assert await ending == 1
        assert "Fenced" in usual.log_path(name).read_text()
        gap = max(0.0, moments["ready"] - moments["ended"])
        times.lines.append(f"{name + ': new one beside the old one, nobody ready for':66} {gap:6.1f} s")
        assert (await twin.stop([name]))[name].well
    finally:
        await twin.close()
    await start(fleet.arena, name)
    await fleet.is_exact()


async def ready_at(monitor):
    import httpx

    async with asyncio.timeout(READY_S), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{monitor}/health/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
