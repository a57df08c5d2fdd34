"""The database adapter on both databases: migrations, parcels, messages, and what holds for ever."""

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from carrier_gateway.adapters import tables
from carrier_gateway.adapters.inbound_records import SAMPLE_AGE_MS_MAX, SAMPLES_MAX
from carrier_gateway.adapters.store import DatabaseStore
from carrier_gateway.application.store_port import AlreadyThere, Inbound, Parcel, Sample
from carrier_gateway.core.normal_forms import Destination
from carrier_gateway.core.tracking import Evidence
from sps.runtime.database import Database
from sps.runtime.migrations import round_trip, upgrade
from sps.runtime.outbox import TransactionOutbox
from sps.transactions.vocabulary import BookParcel

CONTRACT = "ctr_01jd0000000000000000000000"
TAG, OTHER_TAG = "aa" * 32, "bb" * 32


@pytest.fixture
async def store(database_url):
    await upgrade(database_url, "carrier_gateway")
    database = Database(database_url)
    yield DatabaseStore(database, TransactionOutbox(2))
    await database.stop()


def parcel(tag=TAG, number="12345678", **more):
    fields = {
        "contract": CONTRACT,
        "parcel": "p1",
        "carrier": "dhl",
        "destination": Destination("DE", "10115"),
    }
    return Parcel(tag=tag, number=number, salt=b"s" * 32, created_ms=1, **(fields | more))


def message(key="k", received_ms=5, **more):
    fields = {"carrier": "dhl", "origin": "signed", "sha256": "cc" * 32, "body": b"{}"}
    return Inbound(
        key=key, headers=(("content-type", "text/plain"),), received_ms=received_ms, **(fields | more)
    )


async def test_the_migrations_make_the_tables_and_take_them_back(database_url):
    await round_trip(database_url, "carrier_gateway", tables.metadata)


async def test_a_parcel_is_read_as_it_was_written(store):
    full = parcel(
        watch="booked", code="C", message="m", subscription="made", reference="r", poll_due_ms=7, bookings=2
    )
    async with store.transaction() as unit:
        await unit.add_parcel(full)
    async with store.reading() as unit:
        assert await unit.parcel_of_number("dhl", "12345678") == full
        assert await unit.parcel_of_number("easypost", "12345678") is None
        assert await unit.newest_parcel(CONTRACT, "p1") == full
        assert await unit.newest_parcel(CONTRACT, "p2") is None


async def test_a_number_is_there_once_and_the_transaction_goes_on(store):
    async with store.transaction() as unit:
        await unit.add_parcel(parcel())
        with pytest.raises(AlreadyThere):
            await unit.add_parcel(parcel(OTHER_TAG))
        await unit.add_parcel(parcel(OTHER_TAG, "87654321"))
    async with store.reading() as unit:
        assert await unit.parcel_of_number("dhl", "87654321")


async def test_the_newest_booking_of_a_parcel_is_shown(store):
    async with store.transaction() as unit:
        await unit.add_parcel(parcel())
        await unit.add_parcel(replace(parcel(OTHER_TAG, "87654321"), created_ms=2))
    async with store.reading() as unit:
        assert (await unit.newest_parcel(CONTRACT, "p1")).tag == OTHER_TAG


async def test_an_erased_address_is_gone(store):
    async with store.transaction() as unit:
        await unit.add_parcel(parcel())
        await unit.save_parcel(replace(parcel(), destination=None, salt=None))
    async with store.reading() as unit:
        erased = await unit.parcel_of_number("dhl", "12345678")
        assert (erased.destination, erased.salt) == (None, None)


async def test_concerned_are_the_parcels_of_contracts_and_of_bookings_that_may_still_change(store):
    others = [
        parcel(f"{i:064x}", f"1234567{i}", contract=f"c{i}", booking=f"b{i}", watch=watch)
        for i, watch in enumerate(["booked", "settled", "closed", "refused", "replaced", "booking"])
    ]
    async with store.transaction() as unit:
        for other in others:
            await unit.add_parcel(other)
        names = [other.contract for other in others]
        assert {p.watch for p in await unit.parcels_concerned(names, [])} == {"booked", "settled", "booking"}
        assert [p.tag for p in await unit.parcels_concerned([], ["b5"])] == [others[5].tag]
        assert len(await unit.parcels_concerned(names * 300, ["b0"])) == 3
        assert await unit.parcels_concerned([], []) == []


async def test_due_parcels_come_the_longest_due_first_and_within_the_limit(store):
    async with store.transaction() as unit:
        for i in range(5):
            await unit.add_parcel(parcel(f"{i:064x}", f"1234567{i}", poll_due_ms=10 - i, subscribe_due_ms=i))
        await unit.add_parcel(parcel(TAG, "99999999"))
    async with store.reading() as unit:
        assert [p.poll_due_ms for p in await unit.due_polls("dhl", 9, 3)] == [6, 7, 8]
        assert [p.subscribe_due_ms for p in await unit.due_subscriptions("dhl", 1, 9)] == [0, 1]
        assert await unit.due_polls("easypost", 99, 9) == []


async def test_given_facts_are_read_in_the_order_in_which_they_were_given(store):
    facts = (
        Evidence("in_transit", 5, "pulled"),
        Evidence("delivered", 9, "signed", "aa" * 32, "bb" * 32, "locker"),
    )
    async with store.transaction() as unit:
        await unit.note_given(TAG, facts, "cc" * 32, 1)
        await unit.note_given(OTHER_TAG, facts[:1], "cc" * 32, 1)
        await unit.note_given(TAG, (), "cc" * 32, 1)
    async with store.reading() as unit:
        assert await unit.given(TAG) == facts


async def test_a_message_is_kept_once_for_ever(store):
    async with store.transaction() as unit:
        assert await unit.keep_inbound(message())
        await unit.finish_inbound((await unit.due_inbound("dhl", 9, 9))[0].position, "evidence", 6)
    async with store.transaction() as unit:
        assert not await unit.keep_inbound(message(body=b"changed"))
        assert await unit.keep_inbound(message(carrier="easypost"))
        assert await unit.due_inbound("dhl", 99, 9) == []


async def test_messages_come_in_the_order_of_their_arrival_once_they_are_due(store):
    async with store.transaction() as unit:
        for key in ("a", "b", "c"):
            await unit.keep_inbound(message(key))
        first = (await unit.due_inbound("dhl", 9, 1))[0]
        assert replace(first, position=0) == message("a")
        await unit.postpone_inbound(first.position, 1, 50)
        assert [found.key for found in await unit.due_inbound("dhl", 9, 9)] == ["b", "c"]
        again = (await unit.due_inbound("dhl", 50, 9))[0]
        assert (again.key, again.attempts) == ("a", 1)


async def test_an_answer_is_kept_as_handled(store):
    async with store.transaction() as unit:
        for _ in range(2):
            await unit.keep_answer(message("pull:x", origin="pulled"))
        assert await unit.due_inbound("dhl", 99, 9) == []


async def test_samples_are_bounded_in_number_and_age(store):
    sample = Sample("dhl", "signature", "cc" * 32, 9, b"body", (), 1)
    counted = select(func.count()).select_from(tables.refused_sample)
    async with store._database.transaction() as connection:
        unit = store.within(connection)
        for _ in range(SAMPLES_MAX + 20):
            await unit.keep_sample(sample)
        assert await connection.scalar(counted) == SAMPLES_MAX
        await unit.keep_sample(replace(sample, received_ms=SAMPLE_AGE_MS_MAX + 2))
        assert await connection.scalar(counted) == 1


async def test_a_failed_transaction_leaves_neither_rows_nor_transactions(store):
    booking = BookParcel("evt_01jd0000000000000000000000", CONTRACT, "p1", "dhl", TAG)

    async def fail() -> None:
        async with store.transaction() as unit:
            await unit.add_parcel(parcel())
            await unit.submit(booking)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with store._database.reading() as connection:
        for name in ("parcel", "outbox_transaction"):
            rows = select(func.count()).select_from(tables.metadata.tables[name])
            assert await connection.scalar(rows) == 0
