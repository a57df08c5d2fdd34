"""The store on both databases: what is taken once, what is answered once, and the order of pages."""

import asyncio
import contextlib

import pytest
from msgspec.structs import replace

from contract_api.adapters.store import SqlStore
from contract_api.application.idempotent import RESERVED
from contract_api.application.ports import PrivateData, StoredRequest
from sps.runtime.database import Database
from sps.runtime.migrations import upgrade
from sps.runtime.outbox import TransactionOutbox

CROWD = 16
WHO = ("mer_alice", "key")
ROW = StoredRequest("f" * 64, "ctr_1", b"t" * 32, None, None, 7)
KEPT = PrivateData("", "mer_alice", "token", "tea", None, None, 5)
PLACES = ("00", "0a", "aa", "ab", "az", "b0", "zz")


@pytest.fixture
async def store(database_url):
    async with opened_at(database_url) as opened:
        yield opened


@contextlib.asynccontextmanager
async def opened_at(url):
    await upgrade(url, "contract_api")
    database = Database(url)
    try:
        yield SqlStore(database, TransactionOutbox(1))
    finally:
        await database.stop()


async def at_once(store, act):
    """The same act in many transactions at the same moment."""

    async def one(number):
        async with store.writing() as work:
            return await act(work, number)

    return await asyncio.gather(*(one(number) for number in range(CROWD)))


async def test_a_key_is_claimed_by_one(store):
    taken = await at_once(
        store, lambda work, number: work.claim_request(*WHO, replace(ROW, resource=f"ctr_{number}"))
    )
    assert sum(taken) == 1
    async with store.reading() as work:
        assert (await work.request(*WHO)).resource == f"ctr_{taken.index(True)}"


async def test_a_key_whose_first_claim_is_rolled_back_goes_to_the_next(store):
    async def claim(hold):
        async with store.writing() as work:
            taken = await work.claim_request(*WHO, replace(ROW, resource=hold))
            if hold == "first":
                first_is_in.set()
                await asyncio.sleep(0.2)
                raise ZeroDivisionError
            return taken

    first_is_in = asyncio.Event()
    first = asyncio.create_task(claim("first"))
    await first_is_in.wait()
    assert await claim("second")
    with pytest.raises(ZeroDivisionError):
        await first
    async with store.reading() as work:
        assert (await work.request(*WHO)).resource == "second"


async def test_a_reserved_key_is_given_its_resource_once_and_only_by_the_same_request(store):
    reserved = replace(ROW, resource=RESERVED, transaction=None)
    assert sum(await at_once(store, lambda work, _: work.claim_request(*WHO, reserved))) == 1
    async with store.writing() as work:
        assert not await work.claim_request(*WHO, replace(ROW, fingerprint="0" * 64))
    named = await at_once(
        store, lambda work, number: work.claim_request(*WHO, replace(ROW, resource=f"p{number}"))
    )
    assert sum(named) == 1
    async with store.reading() as work:
        assert await work.request(*WHO) == replace(ROW, resource=f"p{named.index(True)}")


async def test_only_what_is_reserved_is_given_up(store):
    reserved = replace(ROW, resource=RESERVED, transaction=None)
    async with store.writing() as work:
        await work.claim_request(*WHO, reserved)
        await work.release_request(*WHO, ROW.fingerprint, forget=False)
        assert (await work.request(*WHO)).created_ms == 0
        await work.release_request(*WHO, "0" * 64, forget=True)
        assert await work.request(*WHO)
        await work.claim_request(*WHO, ROW)
        await work.release_request(*WHO, ROW.fingerprint, forget=True)
        assert await work.request(*WHO) == ROW


async def test_the_first_answer_stays(store):
    async with store.writing() as work:
        await work.claim_request(*WHO, ROW)
    kept = await at_once(
        store, lambda work, number: work.answer_request(*WHO, 200, f"answer {number}".encode())
    )
    assert sum(kept) == 1
    async with store.reading() as work:
        assert (await work.request(*WHO)).body == f"answer {kept.index(True)}".encode()


async def test_keys_differ_by_the_case_of_their_letters_and_by_account(store):
    async with store.writing() as work:
        for account, key in (("mer_a", "k"), ("mer_a", "K"), ("mer_b", "k")):
            assert await work.claim_request(account, key, ROW)


async def pages(store):
    """All contracts of a merchant, page by page."""
    seen, before = [], None
    for _ in range(2 * len(PLACES)):
        async with store.reading() as work:
            page = await work.contracts_of("mer_alice", before, 2)
        seen += [row.contract for row in page]
        if len(page) < 2:
            return seen
        before = (page[-1].created_ms, page[-1].contract)
    raise AssertionError("the pages have no end")


async def kept(store):
    async with store.writing() as work:
        await work.add_merchant("mer_alice", "Alice", 1)
        for place in PLACES:
            await work.add_private_data(replace(KEPT, contract=f"ctr_{place}"))
        await work.add_private_data(replace(KEPT, contract="ctr_newer", created_ms=6))
    return ["ctr_newer", *(f"ctr_{place}" for place in sorted(PLACES, reverse=True))]


async def test_pages_follow_each_other_without_gap_or_repeat(store):
    wanted = await kept(store)
    assert await pages(store) == wanted


async def test_pages_are_cut_by_bytes_whatever_language_the_database_sorts_by(postgres_server, tmp_path):
    """In Danish `aa` is the last letter of the alphabet."""
    name = f"danish_{abs(hash(tmp_path))}"
    await postgres_server.execute(
        f'CREATE DATABASE "{name}" TEMPLATE template0 LOCALE "C" LOCALE_PROVIDER icu ICU_LOCALE "da"'
    )
    try:
        async with opened_at(postgres_server.url_of(name)) as store:
            wanted = await kept(store)
            assert await pages(store) == wanted
    finally:
        await postgres_server.drop_database(name)
