"""The same message or wish many times at the same moment, through connections of their own: it counts once."""

import asyncio
import json

import pytest
from carrier_kit import SmallCarrier
from chain_world import DAY_MS
from gateway_kit import NOW_MS, NUMBER, FakeCarrier, Town, message
from msgspec.structs import replace
from sqlalchemy import func, select

from carrier_gateway.adapters import tables
from carrier_gateway.adapters.bounded_http import BoundedHttp
from carrier_gateway.adapters.easypost.client import EasyPostClient
from carrier_gateway.adapters.easypost.webhook import EasyPostWebhook, signature
from carrier_gateway.adapters.inbound_records import SAMPLES_MAX
from carrier_gateway.adapters.store import DatabaseStore
from carrier_gateway.application.carrier_port import WebhookRequest
from carrier_gateway.application.giving import give
from carrier_gateway.application.store_port import AlreadyThere, Inbound, Parcel, Sample
from carrier_gateway.core.normal_forms import Destination
from carrier_gateway.core.tracking import Observation, Scan
from sps.runtime.database import Database, DatabaseLimits
from sps.runtime.migrations import upgrade
from sps.runtime.outbox import TransactionOutbox

CROWD = 16
CONTRACT = "ctr_01jd0000000000000000000000"
PARCEL = Parcel(
    tag="aa" * 32,
    contract=CONTRACT,
    parcel="p1",
    carrier="dhl",
    number=NUMBER,
    destination=Destination("DE", "10115"),
    salt=b"s" * 32,
    created_ms=1,
    watch="booked",
)
MESSAGE = Inbound("dhl", "key", "signed", "cc" * 32, b"{}", (), NOW_MS)


@pytest.fixture
async def store(database_url):
    await upgrade(database_url, "carrier_gateway")
    database = Database(database_url, DatabaseLimits(pool_size=CROWD))
    yield DatabaseStore(database, TransactionOutbox(2))
    await database.stop()


async def at_once(store, act):
    """The same act in many transactions at the same moment."""

    async def one(number):
        async with store.transaction() as unit:
            return await act(unit, number)

    return await asyncio.gather(*(one(number) for number in range(CROWD)), return_exceptions=True)


async def test_a_message_that_comes_many_times_at_once_is_kept_once(store):
    kept = await at_once(store, lambda unit, _: unit.keep_inbound(MESSAGE))
    assert sorted(kept) == [False] * (CROWD - 1) + [True]
    async with store.reading() as unit:
        assert len(await unit.due_inbound("dhl", NOW_MS, 100)) == 1


async def test_nobody_is_told_yes_before_the_message_is_durable(store):
    """The second one waits for the first, which is lost; then it is the first itself."""

    async def lost():
        async with store.transaction() as unit:
            assert await unit.keep_inbound(MESSAGE)
            first_is_in.set()
            await asyncio.sleep(0.2)
            raise ZeroDivisionError

    first_is_in = asyncio.Event()
    first = asyncio.create_task(lost())
    await first_is_in.wait()
    async with store.transaction() as unit:
        assert await unit.keep_inbound(MESSAGE)
    with pytest.raises(ZeroDivisionError):
        await first


async def test_a_number_that_many_bind_at_once_is_bound_once(store):
    ends = await at_once(store, lambda unit, n: unit.add_parcel(replace(PARCEL, tag=f"{n:064x}")))
    assert ends.count(None) == 1
    assert sum(isinstance(end, AlreadyThere) for end in ends) == CROWD - 1


async def test_a_message_in_many_hands_is_translated_by_one(store):
    async with store.transaction() as unit:
        await unit.keep_inbound(MESSAGE)
    async with store.reading() as unit:
        (due,) = await unit.due_inbound("dhl", NOW_MS, 10)

    async def translate(unit, _):
        if not await unit.hold_inbound(due.position):
            return False
        await unit.finish_inbound(due.position, "evidence", NOW_MS)
        return True

    held = await at_once(store, translate)
    assert sorted(held) == [False] * (CROWD - 1) + [True]


async def test_what_many_see_at_once_is_given_once(store):
    """Poll, push and repeat meet: what was given is read and written under the parcel's lock."""
    async with store.transaction() as unit:
        await unit.add_parcel(PARCEL)
    seen = Observation(NUMBER, (Scan("in_transit", NOW_MS - 2), Scan("delivered", NOW_MS - 1)), None, None)

    async def look(unit, number):
        parcel = await unit.parcel_for_change("dhl", NUMBER)
        return len(await give(unit, parcel, seen, "pulled", f"{number:064x}", NOW_MS))

    given = await at_once(store, look)
    assert sorted(given) == [0] * (CROWD - 1) + [2]


async def test_changes_of_a_parcel_at_the_same_moment_are_all_there(store):
    async with store.transaction() as unit:
        await unit.add_parcel(PARCEL)

    async def one_more(unit, _):
        parcel = await unit.parcel_for_change("dhl", NUMBER)
        await asyncio.sleep(0)
        await unit.save_parcel(replace(parcel, silent_polls=parcel.silent_polls + 1))

    await at_once(store, one_more)
    async with store.reading() as unit:
        assert (await unit.parcel_of_number("dhl", NUMBER)).silent_polls == CROWD


async def test_samples_of_a_flood_are_bounded(store, database_url):
    async def keep(unit, number):
        for step in range(1 + SAMPLES_MAX // CROWD):
            await unit.keep_sample(Sample("dhl", "path", f"{number:032x}{step:032x}", 1, b"x", (), NOW_MS))

    ends = await at_once(store, keep)
    assert [end for end in ends if end is not None] == []
    async with store.transaction() as unit:
        await unit.keep_sample(Sample("dhl", "path", "ab" * 32, 1, b"x", (), NOW_MS))
    database = Database(database_url)
    async with database.reading() as connection:
        kept = await connection.scalar(select(func.count()).select_from(tables.refused_sample))
    await database.stop()
    assert 0 < kept <= SAMPLES_MAX


async def test_two_gateways_on_one_database_give_every_fact_once(tmp_path, postgres_database):
    dhl = FakeCarrier()
    async with (
        Town(tmp_path, {"dhl": dhl}, database_url=postgres_database) as town,
        town.another() as second,
    ):
        town.gateway = second  # it started last, so it is the one that follows the chain
        deal = await town.funded()
        await town.booked(deal)
        body = json.dumps(message(signed_by="Jo", to=True)).encode()
        await asyncio.gather(*(town.push(body) for _ in range(CROWD)))
        await town.next_block()
        assert town.parcel(deal).level == 3
        town.clock.advance(DAY_MS)
        await town.push(body)
        facts = [receipt for receipt in town.chain.receipts if receipt.kind == "parcel.evidence.v1"]
        assert len(facts) == 1


# --- texts that no table takes -------------------------------------------------------------------------


def test_an_event_with_an_impossible_id_is_known_by_its_body():
    secret = "whsec_easypost"
    body = json.dumps({"id": "evt_\0", "result": {"object": "Tracker"}}).encode()
    request = WebhookRequest(body, (("x-hmac-signature", signature(secret, body)),))
    assert "\0" not in EasyPostWebhook((secret,)).prove(request).key


async def test_an_impossible_name_of_a_subscription_is_no_name():
    carrier = SmallCarrier()
    carrier.answers("POST", "/v2/trackers", body=json.dumps({"id": "trk_\0"}).encode())
    client = EasyPostClient("http://carrier.test", "key", BoundedHttp(1, carrier.transport()))
    with pytest.raises(Exception, match="not one of EasyPost's"):
        await client.subscribe(NUMBER)


@pytest.mark.parametrize("bad", ["%00", "%ED%A0%80", "x" * 5_000])
async def test_bad_text_in_a_path_is_refused(town, bad):
    deal = await town.funded()
    for path in (f"/internal/parcels/{bad}/p1", f"/internal/parcels/{deal.id}/{bad}"):
        assert (await town.http.get(path)).status_code in {404, 422}
    for path in (f"/webhooks/{bad}", f"/webhooks/dhl/{bad}"):
        assert (await town.http.post(path, content=b"{}")).status_code == 401


@pytest.mark.parametrize("bad", ["\\u0000", "\\ud800"])
async def test_bad_text_in_a_booking_is_refused(town, bad):
    deal = await town.funded()
    for field in town.wish(deal):
        wish = json.dumps(town.wish(deal) | {field: "BAD"}).replace("BAD", bad)
        answer = await town.http.post(
            "/internal/parcels", content=wish, headers={"content-type": "application/json"}
        )
        assert (field, answer.status_code) == (field, 422)
