"""Two processes of one service on one database, or one process and the late end of its own transaction."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator

import pytest
from chain_kit import SETTLEMENT, signer
from chain_story import rates
from runtime_kit import (
    IDS,
    ExecutedChain,
    Running,
    SeenProjection,
    batches_on,
    new_database,
    new_log,
    seen,
    until,
)
from sqlalchemy import text

from sps.chain.batch import FIRST_PREV_DIGEST, decode_payload, digest
from sps.chain.header import ref_of
from sps.eventlog.memory import MemoryLog
from sps.runtime import database as database_module
from sps.runtime.database import Database
from sps.runtime.lifecycle import Supervisor
from sps.runtime.outbox import BatchRelay, TransactionOutbox
from sps.runtime.projection_cursor import Cursor, CursorRow, Fenced
from sps.transactions.codec import encode
from sps_cli.servers.postgres import PostgresServer

FACTS = 60
TURNS = 8
NOBODY = Cursor(0, b"\0" * 32, b"\1" * 32)
AFTER = Cursor(1, b"\2" * 32, b"\3" * 32)


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    opened = await new_log()
    yield opened
    await opened.stop()


@pytest.fixture
async def databases(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """One database, as each of two processes sees it."""
    both = await new_database(database_url), Database(database_url)
    yield both
    for each in both:
        await each.stop()


@contextlib.asynccontextmanager
async def relaying(chain: ExecutedChain, log, database: Database, outbox: TransactionOutbox):
    async def immediately() -> None:
        return

    supervisor = Supervisor("test")
    relay = BatchRelay(
        chain_id=chain.kit.chain_id,
        signer=signer(SETTLEMENT),
        outbox=outbox,
        database=database,
        log=log,
        caught_up=immediately,
    )
    relay.start(supervisor)
    yield relay
    defect = supervisor.defect
    await supervisor.stop()
    assert defect is None


def outbox() -> TransactionOutbox:
    return TransactionOutbox(IDS[SETTLEMENT])


async def add(database: Database, to: TransactionOutbox, *numbers: int) -> None:
    async with database.transaction() as connection:
        await to.add(connection, *(rates(number) for number in numbers))


async def test_two_relays_put_every_fact_into_one_batch_of_one_chain(log, databases) -> None:
    chain = ExecutedChain()
    outboxes = outbox(), outbox()
    chance = random.Random(7)

    async def all_there() -> bool:
        batches = {batch.header.seq: batch for batch in await batches_on(log, SETTLEMENT)}
        return sum(len(decode_payload(batch.payload)) for batch in batches.values()) >= FACTS

    async with (
        relaying(chain, log, databases[0], outboxes[0]),
        relaying(chain, log, databases[1], outboxes[1]),
    ):
        for number in range(1, FACTS + 1):
            side = chance.randrange(2)
            await add(databases[side], outboxes[side], number)
            await asyncio.sleep(chance.random() * 0.004)
        await until(all_there)
    batches = {batch.header.seq: batch for batch in await batches_on(log, SETTLEMENT)}
    assert sorted(batches) == list(range(1, len(batches) + 1))
    previous = FIRST_PREV_DIGEST
    for seq in sorted(batches):
        assert batches[seq].header.prev_digest == previous
        previous = digest(batches[seq].header)
    facts = [raw for batch in batches.values() for raw in decode_payload(batch.payload)]
    assert sorted(facts) == sorted(encode(rates(number)) for number in range(1, FACTS + 1))


async def test_a_batch_that_a_dead_relay_left_unsent_is_sent_by_the_other(log, databases) -> None:
    class Deaf(MemoryLog):
        async def append(self, topic, partition, records):
            return 0

    chain = ExecutedChain()
    outboxes = outbox(), outbox()
    deaf = Deaf()
    await deaf.start()
    async with relaying(chain, log, databases[0], outboxes[0]) as living:
        await add(databases[0], outboxes[0], 1)

        async def sent(count: int) -> bool:
            return len(await batches_on(log, SETTLEMENT)) >= count

        await until(lambda: sent(1))
        async with relaying(chain, deaf, databases[1], outboxes[1]) as dying:
            await add(databases[1], outboxes[1], 2)

            async def sealed() -> bool:
                return dying.unconfirmed == 2

            await until(sealed)
        await add(databases[0], outboxes[0], 3)

        async def known() -> bool:
            return living.unconfirmed == 3

        await until(known)
        await until(lambda: sent(3))
    facts = {batch.header.seq: decode_payload(batch.payload) for batch in await batches_on(log, SETTLEMENT)}
    assert facts == {number: [encode(rates(number))] for number in (1, 2, 3)}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_nothing_is_sealed_while_the_chain_overrules_a_number(log, databases) -> None:
    chain = ExecutedChain()
    winner = chain.kit.batch(SETTLEMENT, [rates(50)])
    ours = outbox()

    async def sent(count: int) -> bool:
        return len(await batches_on(log, SETTLEMENT)) >= count

    async with relaying(chain, log, databases[1], ours):
        await add(databases[1], ours, 1)
        await until(lambda: sent(1))
        async with databases[0].transaction() as connection:
            await ours.confirm(connection, 1, [ref_of(winner.header)])
            await add(databases[1], ours, 2)
            await asyncio.sleep(0.2)
            assert not await sent(2)
        await until(lambda: sent(2))
    batch = (await batches_on(log, SETTLEMENT))[1]
    assert (batch.header.seq, batch.header.prev_digest) == (2, digest(winner.header))
    assert decode_payload(batch.payload) == [encode(rates(1)), encode(rates(2))]


async def test_the_same_fact_of_two_processes_at_once_is_one_fact(databases) -> None:
    both = asyncio.Barrier(2)

    async def one(database: Database) -> tuple[str, ...]:
        await both.wait()
        async with database.transaction() as connection:
            return await outbox().add(connection, rates(1), rates(2))

    first, second = await asyncio.gather(*map(one, databases))
    assert first == second


async def test_who_asks_for_the_cursor_waits_for_who_moves_it(databases) -> None:
    row = CursorRow("test", b"\4" * 32)
    async with databases[0].transaction() as connection:
        await row.claim(connection, NOBODY)
    looked: list[Cursor] = []

    async def look() -> None:
        async with databases[1].transaction() as connection:
            looked.append(await row.hold(connection))

    async with databases[0].transaction() as connection:
        await row.advance(connection, 0, AFTER)
        waiting = asyncio.create_task(look())
        await asyncio.sleep(0.1)
        assert looked == []
    await waiting
    assert looked == [AFTER]


async def test_two_that_claim_at_once_have_different_epochs(databases) -> None:
    rows = CursorRow("test", b"\4" * 32), CursorRow("test", b"\4" * 32)

    async def claim(database: Database, row: CursorRow) -> None:
        async with database.transaction() as connection:
            await row.claim(connection, NOBODY)

    await asyncio.gather(*map(claim, databases, rows))
    ends = []
    for row in rows:
        try:
            async with databases[0].transaction() as connection:
                await row.hold(connection)
        except Fenced:
            ends.append("fenced")
        else:
            ends.append("ours")
    assert sorted(ends) == ["fenced", "ours"]


async def test_two_followers_that_take_over_from_each_other_project_every_block_once(log, databases) -> None:
    chain = ExecutedChain()
    chance = random.Random(3)
    ended: list[Exception | None] = []

    async def live(database: Database) -> None:
        running = Running(chain, log, database)
        async with running:
            fenced = asyncio.ensure_future(running.supervisor.failed())
            await asyncio.wait({fenced}, timeout=0.05 + chance.random() * 0.1)
            fenced.cancel()
        ended.append(running.supervisor.defect)

    async def process(database: Database) -> None:
        for _ in range(TURNS):
            with contextlib.suppress(Fenced):
                await live(database)
            await asyncio.sleep(chance.random() * 0.05)

    async def grow() -> None:
        for height in range(1, 60):
            chain.block()
            await chain.publish(log, height, height)
            await asyncio.sleep(0.01)

    await asyncio.gather(grow(), *map(process, databases))
    async with Running(chain, log, databases[0]) as follower:
        await asyncio.wait_for(follower.reached(chain.height), 5)
    assert all(defect is None or isinstance(defect, Fenced) for defect in ended)
    assert await seen(databases[0]) == {h: chain.app_hashes[h] for h in range(1, chain.height + 1)}


async def test_a_commit_that_is_carried_out_after_it_was_given_up_is_neither_lost_nor_repeated(
    log, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(database_module, "COMMIT_S", 0.1)
    server = PostgresServer(tmp_path / "server")
    await server.start()
    database = await new_database(await server.create_database("service"))
    stopped: list[int] = []

    class StoppingTheServer(SeenProjection):
        """Only the process of this very connection stops; the first statement that it has not read is COMMIT."""

        async def apply(self, connection, block) -> None:
            await super().apply(connection, block)
            if len(stopped) < block.height:
                stopped.append((await connection.execute(text("SELECT pg_backend_pid()"))).scalar())
                os.kill(stopped[-1], signal.SIGSTOP)

    chain = ExecutedChain()
    running = Running(chain, log, database, projection=StoppingTheServer())
    async with running as follower:
        for height in (1, 2):
            chain.block()
            await chain.publish(log, height, height)
            await until(lambda height=height: asyncio.sleep(0, len(stopped) == height))
            await asyncio.sleep(0.5)  # given up and looked up again
            os.kill(stopped[-1], signal.SIGCONT)
            await asyncio.wait({asyncio.ensure_future(follower.reached(height))}, timeout=5)
            assert running.supervisor.defect is None
    assert await seen(database) == {h: chain.app_hashes[h] for h in (1, 2)}
    await database.stop()
    await server.stop()
