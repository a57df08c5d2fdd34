"""Facts reach the chain once under one number, in order, wherever the relay ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Self

import pytest
from chain_kit import SETTLEMENT, signer
from chain_story import event_id, rates
from prometheus_client import CollectorRegistry
from runtime_kit import (
    IDS,
    Crash,
    ExecutedChain,
    Running,
    batches_on,
    crash_at,
    new_database,
    new_log,
    put_block,
    until,
)
from sqlalchemy import func, select

from sps.chain.batch import decode_payload, digest, encode_batch
from sps.chain.block import encode_committed
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import LogTrouble
from sps.runtime import outbox_facts, outbox_relay
from sps.runtime.database import Database
from sps.runtime.lifecycle import Supervisor
from sps.runtime.metrics import OutboxMetrics
from sps.runtime.outbox import BatchRelay, Conflict, OutboxFull, TransactionOutbox
from sps.runtime.tables import outbox_batch, outbox_transaction
from sps.transactions.codec import encode, transaction_hash


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    opened = await new_log()
    yield opened
    await opened.stop()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await new_database(database_url)
    yield opened
    await opened.stop()


async def immediately() -> None:
    return


class Relaying:
    """A relay under its supervisor, with an outbox of its own as after a restart."""

    def __init__(self, chain: ExecutedChain, log, database: Database, **options) -> None:
        self.outbox = TransactionOutbox(IDS[SETTLEMENT])
        self.database = database
        self.supervisor = Supervisor("test")
        options = {"caught_up": immediately, **options}
        self.relay = BatchRelay(
            chain_id=chain.kit.chain_id,
            signer=signer(SETTLEMENT),
            outbox=self.outbox,
            database=database,
            log=log,
            **options,
        )

    async def __aenter__(self) -> Self:
        self.relay.start(self.supervisor)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop()

    async def add(self, *numbers: int) -> None:
        async with self.database.transaction() as connection:
            await self.outbox.add(connection, *(rates(number) for number in numbers))


async def appended(log: MemoryLog, count: int) -> list:
    async def there() -> bool:
        return len(await batches_on(log, SETTLEMENT)) >= count

    await until(there)
    return await batches_on(log, SETTLEMENT)


def facts_of(batches) -> list[bytes]:
    return [raw for batch in batches for raw in decode_payload(batch.payload)]


def encoded(*numbers: int) -> list[bytes]:
    return [encode(rates(number)) for number in numbers]


async def test_a_fact_exists_exactly_when_its_cause_does(database: Database) -> None:
    outbox = TransactionOutbox(4)

    async def fail() -> None:
        async with database.transaction() as connection:
            await outbox.add(connection, rates(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert outbox.waiting == 0
    async with database.transaction() as connection:
        hashes = await outbox.add(connection, rates(1), rates(2))
    assert hashes == tuple(transaction_hash(raw).hex() for raw in encoded(1, 2))
    assert outbox.waiting == 2


async def test_the_same_fact_again_changes_nothing_and_another_one_is_a_conflict(database: Database) -> None:
    outbox = TransactionOutbox(4)
    for _ in range(2):
        async with database.transaction() as connection:
            await outbox.add(connection, rates(1))
    async with database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(outbox_transaction)) == 1
    other = rates(2)
    changed = type(other)(**{**{f: getattr(other, f) for f in other.__struct_fields__}, "id": event_id(1)})
    with pytest.raises(Conflict):
        async with database.transaction() as connection:
            await outbox.add(connection, changed)
    with pytest.raises(Conflict):
        async with database.transaction() as connection:
            await outbox.add(connection, rates(5), type(other)(**{f: getattr(rates(6), f) for f in other.__struct_fields__} | {"id": rates(5).id}))  # fmt: skip
    assert outbox.waiting == 1


async def test_a_relay_that_only_looks_now_and_then_says_that_nothing_waits(
    log, database, monkeypatch
) -> None:
    monkeypatch.setattr(outbox_relay, "POLL_S", 0.01)
    registry = CollectorRegistry()
    async with Relaying(ExecutedChain(), log, database, metrics=OutboxMetrics(registry)) as relaying:
        await relaying.add(1)
        await appended(log, 1)
        await asyncio.sleep(20 * outbox_relay.POLL_S)
        assert registry.get_sample_value("sps_outbox_pending") == 0
        assert registry.get_sample_value("sps_outbox_unconfirmed") == 1


async def test_more_than_the_bound_is_refused(database: Database, monkeypatch) -> None:
    monkeypatch.setattr(outbox_facts, "WAITING_MAX", 2)
    outbox = TransactionOutbox(4)
    async with database.transaction() as connection:
        await outbox.add(connection, rates(1), rates(2))
    with pytest.raises(OutboxFull):
        async with database.transaction() as connection:
            await outbox.add(connection, rates(3))


async def test_facts_travel_in_order_in_few_batches(log, database) -> None:
    chain = ExecutedChain()
    async with Relaying(chain, log, database) as relaying:
        await relaying.add(*range(1, 41))
        await appended(log, 1)
        await relaying.add(*range(41, 61))
        batches = await appended(log, 2)
    assert facts_of(batches) == encoded(*range(1, 61))
    assert [batch.header.seq for batch in batches] == [1, 2]
    assert batches[1].header.prev_digest == digest(batches[0].header)


async def test_many_writers_lose_nothing(log, database) -> None:
    chain = ExecutedChain()
    async with Relaying(chain, log, database) as relaying:
        await asyncio.gather(*(relaying.add(number) for number in range(1, 101)))

        async def all_there() -> bool:
            return len(facts_of(await batches_on(log, SETTLEMENT))) >= 100

        await until(all_there)
        assert sorted(facts_of(await batches_on(log, SETTLEMENT))) == sorted(encoded(*range(1, 101)))


@pytest.mark.parametrize("step", ["relay.stored", "relay.appended"])
async def test_a_relay_killed_between_two_steps_sends_the_same_bytes(log, database, step: str) -> None:
    chain = ExecutedChain()
    async with Relaying(chain, log, database, probe=crash_at(step)) as dying:
        await dying.add(1, 2)
        await asyncio.wait_for(dying.supervisor.failed(), 5)
        assert isinstance(dying.supervisor.defect, Crash)
    before = await batches_on(log, SETTLEMENT)
    async with Relaying(chain, log, database) as again:
        await again.add(3)
        batches = await appended(log, len(before) + 2)
    assert {batch.header.seq for batch in batches} == {1, 2}
    assert len({encode_batch(batch) for batch in batches}) == 2, "one number, one batch"
    assert facts_of([batches[-2], batches[-1]]) == encoded(1, 2, 3)


async def test_an_append_of_unknown_outcome_is_repeated_with_the_same_bytes(log, database) -> None:
    class Forgetful(MemoryLog):
        losses = 2

        async def append(self, topic, partition, records):
            offset = await super().append(topic, partition, records)
            if self.losses:
                self.losses -= 1
                raise LogTrouble("no answer")
            return offset

    chain = ExecutedChain()
    forgetful = Forgetful(log._store)
    await forgetful.start()
    async with Relaying(chain, forgetful, database) as relaying:
        await relaying.add(1)
        batches = await appended(log, 3)
    assert len({encode_batch(batch) for batch in batches}) == 1


async def test_a_batch_is_sent_again_until_a_block_has_it(log, database, monkeypatch) -> None:
    monkeypatch.setattr(outbox_relay, "RESEND_S", 0.02)
    chain = ExecutedChain()
    relaying = Relaying(chain, log, database)
    async with Running(chain, log, database, outbox=relaying.outbox) as follower, relaying:
        await relaying.add(1)
        batches = await appended(log, 3)
        assert len({encode_batch(batch) for batch in batches}) == 1
        chain.block([batches[0]])
        await put_block(log, chain.records[1])
        await follower.reached(1)

        async def confirmed() -> bool:
            return relaying.relay.unconfirmed == 0

        await until(confirmed)
        count = len(await batches_on(log, SETTLEMENT))
        await asyncio.sleep(0.06)
        assert len(await batches_on(log, SETTLEMENT)) == count
    async with database.reading() as connection:
        row = (await connection.execute(select(outbox_batch))).one()
        assert (row.seq, row.record, row.confirmed_height) == (1, None, 1)
        bodies = (await connection.scalars(select(outbox_transaction.c.body))).all()
    assert bodies == [None], "the chain is the archive now; the id stays for ever"


async def test_a_restart_continues_the_chain_of_batches(log, database) -> None:
    chain = ExecutedChain()
    first = Relaying(chain, log, database)
    async with Running(chain, log, database, outbox=first.outbox) as follower, first:
        await first.add(1)
        chain.block(await appended(log, 1))
        await put_block(log, chain.records[1])
        await follower.reached(1)
    second = Relaying(chain, log, database)
    async with Running(chain, log, database, outbox=second.outbox), second:
        await second.add(2)
        batches = await appended(log, 2)
    assert batches[1].header.seq == 2
    assert batches[1].header.prev_digest == digest(batches[0].header)


async def test_no_more_than_the_window_is_under_way(log, database, monkeypatch) -> None:
    monkeypatch.setattr(outbox_relay, "WINDOW", 2)
    monkeypatch.setattr(outbox_relay, "BATCH_TX_MAX", 1)
    chain = ExecutedChain()
    relaying = Relaying(chain, log, database)
    async with Running(chain, log, database, outbox=relaying.outbox), relaying:
        await relaying.add(1, 2, 3)
        batches = await appended(log, 2)
        await asyncio.sleep(0.05)
        assert len(await batches_on(log, SETTLEMENT)) == 2
        chain.block(batches[:1])
        await put_block(log, chain.records[1])
        await appended(log, 3)


async def test_nothing_is_sealed_before_the_follower_has_seen_the_chain(log, database) -> None:
    chain = ExecutedChain()
    seen = asyncio.Event()
    async with Relaying(chain, log, database, caught_up=seen.wait) as relaying:
        await relaying.add(1)
        await asyncio.sleep(0.03)
        assert await batches_on(log, SETTLEMENT) == []
        seen.set()
        await appended(log, 1)


async def test_a_database_restored_from_a_backup_goes_on_where_the_chain_is(log, database_url) -> None:
    chain = ExecutedChain()
    lost = await new_database(database_url)
    async with Relaying(chain, log, lost) as relaying:
        await relaying.add(1)
        first = await appended(log, 1)
    await lost.stop()
    chain.block(first)
    await put_block(log, chain.records[1])
    restored = await new_database(database_url)
    again = Relaying(chain, log, restored)
    async with Running(chain, log, restored, outbox=again.outbox) as follower:
        again.relay._caught_up = follower.caught_up
        async with again:
            await again.add(2)
            batches = await appended(log, 2)
    assert again.outbox.adopted == 1
    assert batches[1].header.seq == 2
    assert batches[1].header.prev_digest == digest(first[0].header)
    assert facts_of(batches[1:]) == encoded(2)
    await restored.stop()


async def test_facts_under_a_number_that_another_batch_won_are_sealed_anew(log, database) -> None:
    chain = ExecutedChain()
    winner = chain.kit.batch(SETTLEMENT, [rates(50)])
    relaying = Relaying(chain, log, database)
    async with Running(chain, log, database, outbox=relaying.outbox) as follower, relaying:
        await relaying.add(1)
        loser = (await appended(log, 1))[0]
        assert loser.header.seq == winner.header.seq == 1
        chain.block([winner])
        await log.append("sps.transactions.v1", 4, [_record(winner)])
        await put_block(log, chain.records[1])
        await follower.reached(1)
        batches = await appended(log, 3)
    assert batches[-1].header.seq == 2
    assert batches[-1].header.prev_digest == digest(winner.header)
    assert facts_of(batches[-1:]) == encoded(1)


def _record(batch):
    from sps.eventlog.port import NewRecord

    return NewRecord(b"", encode_batch(batch))


def test_a_block_record_of_the_kit_is_what_validators_publish() -> None:
    chain = ExecutedChain()
    made = chain.block()
    assert encode_committed(made) == chain.records[1]
