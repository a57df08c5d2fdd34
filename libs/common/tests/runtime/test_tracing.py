"""Headers stand beside the signed bytes, over every log; what a stranger writes there is a hint or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from chain_kit import SETTLEMENT, signer
from chain_story import CONTRACT, booked
from runtime_kit import IDS, ExecutedChain, Running, new_database, put_batch
from trace_listener import Listener

from sps.chain.batch import decode_batch, digest
from sps.eventlog import kafka_topics
from sps.eventlog.kafka import KafkaLog
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import EventLog, NewRecord, Record
from sps.eventlog.topics import BLOCKS, TOPICS, TRANSACTIONS
from sps.runtime import chain_tracing
from sps.runtime.batch_tracing import BatchTracing
from sps.runtime.chain_tracing import ChainTracing
from sps.runtime.database import Database
from sps.runtime.lifecycle import Supervisor
from sps.runtime.outbox import BatchRelay, TransactionOutbox
from sps.tracing import names
from sps.tracing.context import context_in, headers_of, span_of, trace_of

LANE = IDS[SETTLEMENT] % 12
USED = {name: TOPICS[name] for name in (TRANSACTIONS, BLOCKS)}
FOREIGN = span_of(trace_of("somebody's"), "span")
BAD = (("traceparent", b"00-" + b"x" * 1_000),)
TRACE = trace_of(CONTRACT)
NOW_MS = 1_800_000_000_000


class Standing:
    def now_ms(self) -> int:
        return NOW_MS


async def at_once() -> None:
    return


@pytest.fixture
async def databases(tmp_path) -> AsyncIterator[Callable]:
    opened: list[Database] = []

    async def another() -> Database:
        opened.append(await new_database(f"sqlite+aiosqlite:///{tmp_path}/{len(opened)}.sqlite"))
        return opened[-1]

    yield another
    for each in opened:
        await each.stop()


@pytest_asyncio.fixture
async def kafka(kafka_server, kafka_prefix) -> AsyncIterator[KafkaLog]:
    await kafka_topics.apply(
        f"kafka://{kafka_server.address}?prefix={kafka_prefix}", replication=1, topics=USED
    )
    log = KafkaLog([kafka_server.address], prefix=kafka_prefix, topics=USED)
    await log.start()
    yield log
    await log.stop()


@pytest.fixture
async def memory() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.stop()


async def relayed(log: EventLog, database: Database, tracing: BatchTracing | None) -> Record:
    """The record by which a relay says that a parcel is booked."""
    outbox, supervisor = TransactionOutbox(IDS[SETTLEMENT], Standing()), Supervisor("test")
    relay = BatchRelay(
        chain_id=ExecutedChain().kit.chain_id, signer=signer(SETTLEMENT), outbox=outbox, database=database,
        log=log, caught_up=at_once, clock=Standing(), tracing=tracing,
    )  # fmt: skip
    async with database.transaction() as connection:
        await outbox.add(connection, booked())
    _, end = await log.bounds(TRANSACTIONS, LANE)
    relay.start(supervisor)
    try:
        async with asyncio.timeout(10):
            while not (found := await log.read(TRANSACTIONS, LANE, end, wait_s=1.0)):
                continue
    finally:
        await supervisor.stop()
    return found[0]


async def check_the_header(log: EventLog, databases) -> None:
    listener = Listener()
    plain = await relayed(log, await databases(), None)
    traced = await relayed(log, await databases(), BatchTracing(ChainTracing(listener, "test")))
    assert plain.headers == ()
    assert traced.value == plain.value, "what is signed does not know of traces"
    assert context_in(traced.headers) == names.batch(digest(decode_batch(traced.value).header))
    told = [span.name for span in listener.spans]
    assert told == ["transaction parcel.book.v1", f"send {TRANSACTIONS}"]
    assert {span.context.trace for span in listener.spans} == {TRACE, context_in(traced.headers).trace}


async def test_the_header_goes_with_the_batch_and_not_into_it(memory, databases):
    await check_the_header(memory, databases)


async def test_the_header_goes_with_the_batch_over_kafka(kafka, databases):
    await check_the_header(kafka, databases)


async def put(log: EventLog, chain: ExecutedChain, height: int, headers: tuple) -> None:
    for batch in chain.kit.batches[height]:
        await put_batch(log, chain.batch_records[digest(batch.header)])
    await log.append(BLOCKS, 0, [NewRecord(b"", chain.records[height], headers)])


async def test_what_a_blocks_header_claims_is_a_link_and_never_a_parent(memory, databases):
    chain, listener = ExecutedChain(), Listener()
    chain.grow(6)
    claims = {2: headers_of(FOREIGN), 4: BAD}
    for height in range(1, 7):
        await put(memory, chain, height, claims.get(height, ()))
    tracing = ChainTracing(listener, "test")
    async with Running(chain, memory, await databases(), tracing=tracing) as follower:
        await asyncio.wait_for(follower.reached(6), 5)
    assert listener.bad == [BLOCKS]
    spans = {span.attributes[names.HEIGHT]: span for span in listener.spans}
    assert spans.keys() == {2, 4, 6}
    assert [spans[height].links for height in (2, 4, 6)] == [(FOREIGN,), (), ()]
    for height, span in spans.items():
        assert span.parent == names.receipt(span.context.trace, height, 0)
        assert span.parent.trace != FOREIGN.trace


async def test_who_starts_again_tells_nothing_twice(memory, databases):
    chain, database = ExecutedChain(), await databases()
    chain.grow(6)
    await chain.publish(memory)
    for start in range(2):
        listener = Listener()
        async with Running(chain, memory, database, tracing=ChainTracing(listener, "test")) as follower:
            await asyncio.wait_for(follower.reached(6), 5)
        told = [span.attributes[names.HEIGHT] for span in listener.spans]
        assert told == ([] if start else [2, 4, 6])


def block(chain: ExecutedChain, height: int, headers: tuple) -> Record:
    return Record(BLOCKS, 0, 0, b"", chain.records[height], 0, headers)


def test_hints_have_a_bound(monkeypatch):
    monkeypatch.setattr(chain_tracing, "HINTS_MAX", 3)
    chain, tracing = ExecutedChain(), ChainTracing(Listener(), "test")
    chain.grow(6)
    for height in range(1, 7):
        tracing.read(block(chain, height, headers_of(FOREIGN)))
    tracing.read(Record(BLOCKS, 0, 0, b"", b"garbage", 0, headers_of(FOREIGN)))
    assert sorted(tracing._hints) == [4, 5, 6]
