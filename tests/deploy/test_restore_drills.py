"""Drills: a database, the broker or yesterday is lost, over nine processes with real Kafka and PostgreSQL.

Each prints its seconds. What the drills show stands in `docs/operate/backup-and-restore.md`.
"""

import asyncio
import time
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from drill_kit import (
    FROM_THE_CHAIN,
    Times,
    backup,
    count,
    everybody_again,
    forget_stripe_keys,
    ids,
    lose_database,
    lose_kafka,
    restore,
    rows,
    start,
)
from fleet_kit import SEED, town
from platform_kit import eventually

import carrier_gateway.adapters.tables as carrier
import contract_api.adapters.tables as api
import payment_gateway.adapters.tables as payment
import settlement.adapters.tables as settlement
from sps.eventlog.address import open_log
from sps.runtime.block_reader import BlockReader
from sps.runtime.peers import Peers
from sps.runtime.tables import COMMON_TABLES
from sps_cli.refill import Refill
from sps_cli.storm.arena import Way
from sps_cli.storm.patient import PatientStory, StormTale
from sps_cli.storm.recovery import audited
from sps_cli.wiring import SERVICES

pytestmark = [pytest.mark.deploy, pytest.mark.asyncio(loop_scope="module")]

UP_S = 60.0
TRIES, LOOKS, LOOK_S = 5, 100, 0.1
PUBLISHED = "SELECT id FROM payout_order WHERE published_ms IS NOT NULL"
TAKEN = "SELECT id FROM outgoing"
PAGE = Path(__file__).parents[2] / "docs" / "operate" / "backup-and-restore.md"
TABLES = {
    "contract-api": api.METADATA,
    "carrier-gateway": carrier.metadata,
    "payment-gateway": payment.metadata,
    "settlement": settlement.METADATA,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def times(request):
    kept = Times()
    yield kept
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        kept.show()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory, times):
    async with town(tmp_path_factory.mktemp("drills")) as here:
        yield here


async def quiet(fleet):
    """Every story has ended, the books are exact, and nobody begins another."""
    wrong, _ = await audited(fleet.arena, fleet.load)
    assert [*wrong, *fleet.load.broken] == []


async def flows(fleet):
    """New stories are told to their end, and the books are exact."""
    fleet.load.go_on()
    began = asyncio.get_running_loop().time()
    assert await fleet.load.next_end(began, UP_S) is not None
    await fleet.is_exact()


async def test_the_page_names_every_table_once_with_where_it_comes_back_from():
    page = PAGE.read_text()
    for service, metadata in TABLES.items():
        for table in sorted(metadata.tables.keys() - {each.name for each in COMMON_TABLES}):
            source = "the chain" if table in FROM_THE_CHAIN[service] else "a backup"
            lines = [line for line in page.splitlines() if line.startswith(f"| {service} | `{table}` |")]
            assert len(lines) == 1, (service, table)
            assert lines[0].split("|")[3].strip() == source, lines[0]


@pytest.mark.parametrize("service", SERVICES)
async def test_an_empty_database_is_rebuilt_from_the_chain(fleet, times, service):
    await fleet.load.next_end(0.0, UP_S)
    await quiet(fleet)
    before = {table: await rows(fleet.arena, service, table) for table in FROM_THE_CHAIN[service]}
    with times.of(f"{service}: empty database, until it is ready and rebuilt"):
        await lose_database(fleet.arena, service)
        await start(fleet.arena, service)
        for table, known in before.items():  # ready is a few blocks before the end
            await eventually(partial(lacks, fleet.arena, service, table, known), UP_S)
    assert {table for table, known in before.items() if not known} <= {"open_quote"}
    await flows(fleet)


async def lacks(arena, service, table, known):
    missing = known - await rows(arena, service, table)
    return f"{len(missing)} rows of {service}'s {table} are missing" if missing else ""


async def test_a_merchant_exists_in_the_backup_only(fleet, times, tmp_path):
    await quiet(fleet)
    tale = fleet.load.ended()[-1]
    file = backup(fleet.arena, "contract-api", tmp_path)
    await lose_database(fleet.arena, "contract-api")
    await start(fleet.arena, "contract-api")
    asked = f"{fleet.arena.places.api}/v1/contracts/{tale.contract}"
    header = {"Authorization": f"Bearer {tale.api_key}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(asked, headers=header)).status_code == httpx.codes.UNAUTHORIZED
        with times.of("contract-api: backup restored, until it is ready"):
            await restore(fleet.arena, "contract-api", file)
            await start(fleet.arena, "contract-api")
            await eventually(partial(is_not_closed, client, asked, header), UP_S)
    await flows(fleet)


async def is_not_closed(client, url, header):
    answer = await client.get(url, headers=header)
    return (
        ""
        if answer.is_success and answer.json()["state"] == "CLOSED"
        else f"{answer.status_code} {answer.text}"
    )


async def test_a_parcel_under_way_is_booked_again_after_the_carrier_gateway_lost_its_database(fleet):
    arena, tale = fleet.arena, StormTale(f"parcel{SEED}")
    await quiet(fleet)
    fleet.load.tales.append(tale)
    story = PatientStory(arena.places, tale, fleet.load.client, fleet.load.repeated)
    for name, step in story.steps():
        tale.step = name
        if name == "deliver":
            await lose_database(arena, "carrier-gateway")
            await start(arena, "carrier-gateway")
            body = {"parcel": "p1", "carrier": tale.carrier, "tracking_number": tale.tracking_number}
            await story._seller("POST", f"/v1/contracts/{tale.contract}/parcels", body, step="again")
        await step()
    tale.ended = time.monotonic()
    await flows(fleet)


async def ordered_and_unsent(fleet, wanted):
    async def looked():
        found = await count(
            fleet.arena,
            "payment-gateway",
            "SELECT count(*) FROM outgoing WHERE state = 'ordered' AND kind = 'payout'",
        )
        asked = [tale.name for tale in fleet.load.under_way() if tale.payout]
        return "" if found >= wanted and asked else f"{found} payouts wait, {asked} have asked"

    await eventually(looked, UP_S)


async def test_backups_from_before_the_payouts_pay_nothing_twice(fleet, times, tmp_path):
    arena = fleet.arena
    await quiet(fleet)
    await arena.fleet.stop_one("payment-gateway")
    await start(arena, "payment-gateway", stopped_providers=("alipay", "stripe"))
    fleet.load.go_on()
    await ordered_and_unsent(fleet, 1)
    asking = [tale for tale in fleet.load.under_way() if tale.payout]
    with times.of("pg_dump of all four databases"):
        files = {name: backup(arena, name, tmp_path) for name in SERVICES}
    await arena.fleet.stop_one("payment-gateway")
    await start(arena, "payment-gateway")
    await quiet(fleet)
    assert asking
    assert forget_stripe_keys(arena) > 0
    with times.of("all four databases restored, until all are ready"):
        for name, file in files.items():
            await restore(arena, name, file)
        await start(arena, *SERVICES)
    await fleet.is_exact()
    fleet.load.calm()
    for tale in asking:  # a client that asks again, with the key of the first time
        paid, tale.payout = tale.payout, ""
        await PatientStory(arena.places, tale, fleet.load.client, fleet.load.repeated).cash_out()
        assert tale.payout == paid
    await flows(fleet)


async def test_a_broker_that_lost_everything_is_replaced_while_all_run(fleet, times):
    with times.of("Kafka lost, until the empty one has its topics"):
        await lose_kafka(fleet.arena)
    with times.of("… until the first story after it ended"):
        began = asyncio.get_running_loop().time()
        assert await fleet.load.next_end(began, UP_S) is not None
    await fleet.is_exact()


async def published_unread(fleet, way):
    """Cut the payment gateway off while money is on its way out: orders that are on the log and not taken."""
    for _ in range(TRIES):
        before = await ids(fleet.arena, "settlement", PUBLISHED)
        await eventually(lambda: leaving(fleet), UP_S)
        await way.cut()
        for _ in range(LOOKS):
            new = await ids(fleet.arena, "settlement", PUBLISHED) - before
            if unread := new - await ids(fleet.arena, "payment-gateway", TAKEN):
                return unread
            await asyncio.sleep(LOOK_S)
        await way.heal()
    raise AssertionError("no order was published while the gateway was cut off")


async def leaving(fleet):
    steps = [tale.step for tale in fleet.load.under_way()]
    return "" if {"travel", "deliver", "convert"} & set(steps) else f"stories are at {steps}"


async def test_an_order_that_the_broker_lost_is_published_again_by_a_restart_of_settlement(fleet, times):
    arena = fleet.arena
    way = arena.ways[Way("payment-gateway", "kafka")]
    lost = await published_unread(fleet, way)
    with times.of("Kafka lost with an order on it, until settlement has started again"):
        await lose_kafka(arena)
        await way.heal()
        began = asyncio.get_running_loop().time()
        assert await fleet.load.next_end(began, UP_S) is not None
        assert not lost & await ids(arena, "payment-gateway", TAKEN)
        await arena.fleet.stop_one("settlement")
        await start(arena, "settlement")
    await fleet.is_exact()
    assert lost <= await ids(arena, "payment-gateway", TAKEN)


class Nobody:
    """No validator answers: what is there comes from the log."""

    async def blocks(self, first, limit):
        return []

    async def batch(self, digest):
        return None

    async def stop(self):
        return None


async def test_the_empty_log_is_refilled_from_the_nodes_and_a_second_time_changes_nothing(fleet, times):
    arena = fleet.arena
    await fleet.load.next_end(0.0, UP_S)  # there is something to lose
    await lose_kafka(arena)
    await quiet(fleet)
    genesis = arena.folder.genesis()
    log = open_log(arena.fleet.wiring.backends.event_log)
    await log.start()
    peers = Peers([member.url for member in genesis.validators])
    try:
        with times.of("sps chain refill"):
            first = await Refill(genesis, log, peers).run()
        assert first.blocks > 0
        assert first.batches > 0
        second = await Refill(genesis, log, peers).run()
        assert (second.blocks, second.batches) == (0, 0)
        reader, height = BlockReader(genesis, log, Nobody()), 0
        while blocks := await reader.next(1_000):
            height = blocks[-1][1].header.height
        assert height >= first.height
    finally:
        await log.stop()
        await peers.stop()
    with times.of("all eight processes stopped and started on the refilled log"):
        await everybody_again(arena)
    await flows(fleet)
