"""Batches by digest, whoever brings them: nothing false is taken, nothing that exists is lost for long."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from chain_kit import API, SETTLEMENT, ChainKit
from msgspec.structs import replace
from runtime_kit import SilentPeers, new_log, put_batch

from sps.chain.batch import Batch, digest, encode_batch
from sps.chain.header import BatchRef, ref_of
from sps.eventlog.memory import MemoryLog
from sps.eventlog.port import Record
from sps.eventlog.topics import TRANSACTIONS
from sps.runtime import batch_pool
from sps.runtime.batch_pool import BatchMissing, BatchPool
from sps.runtime.peers import BlockSource
from sps.signing import verify

LANE = 1


class CountingLog(MemoryLog):
    """Notes how many records each read asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[int] = []

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 500, wait_s: float = 0.0
    ) -> list[Record]:
        self.limits.append(limit)
        return await super().read(topic, partition, offset, limit=limit, wait_s=wait_s)


class Having(SilentPeers):
    """Validators that have these batches, or say something else under their names."""

    def __init__(self, *batches: Batch, lie: bytes = b"") -> None:
        self._records = {digest(batch.header): lie or encode_batch(batch) for batch in batches}

    async def batch(self, digest: bytes) -> bytes | None:
        return self._records.get(digest)


@pytest.fixture
async def log() -> AsyncIterator[CountingLog]:
    made = CountingLog()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def kit() -> ChainKit:
    return ChainKit()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_pool, "PATIENCE_S", 0.05)
    monkeypatch.setattr(batch_pool, "READ_WAIT_S", 0.01)


def pool_of(kit: ChainKit, log: MemoryLog, peers: BlockSource | None = None) -> BatchPool:
    return BatchPool(kit.genesis, kit.chain_id, log, peers or SilentPeers())


def batches(kit: ChainKit, count: int, producer: str = API) -> list[Batch]:
    return [kit.batch(producer, [b"%d" % number]) for number in range(count)]


def refs(made: Sequence[Batch]) -> list[BatchRef]:
    return [ref_of(batch.header) for batch in made]


async def test_only_what_is_wanted_is_read_and_nothing_of_it_is_verified_twice(
    kit: ChainKit, log: CountingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bytes] = []

    def counting(*arguments: bytes) -> bool:
        calls.append(arguments[-1])
        return verify(*arguments)

    made = batches(kit, 10)
    for batch in made:
        await put_batch(log, encode_batch(batch))
    pool = BatchPool(kit.genesis, kit.chain_id, log, SilentPeers(), counting)
    assert list((await pool.batches(refs(made[:4]), {})).values()) == made[:4]
    assert list((await pool.batches(refs(made[4:]), {})).values()) == made[4:]
    assert log.limits == [4, 6]
    assert len(calls) == 10


async def test_what_is_shown_to_nobody_needs_no_signature(kit: ChainKit, log: CountingLog) -> None:
    (made,) = batches(kit, 1)
    await put_batch(log, encode_batch(replace(made, signature=bytes(64))))
    found = await pool_of(kit, log).batches(refs([made]), {}, signed=False)
    assert found[digest(made.header)].payload == made.payload


async def test_the_same_batch_under_a_bad_signature_or_with_another_payload_is_refused(
    kit: ChainKit, log: CountingLog
) -> None:
    """The digest names neither: what lies before the true one must not take its place, and proofs show it."""
    (made,) = batches(kit, 1)
    bent = bytes([made.signature[0] ^ 1]) + made.signature[1:]
    await put_batch(log, encode_batch(replace(made, signature=bent)))
    await put_batch(log, encode_batch(replace(made, payload=made.payload[:-1] + b"x")))
    await put_batch(log, encode_batch(made))
    pool = pool_of(kit, log)
    assert await pool.batches(refs([made]), {}) == {digest(made.header): made}
    assert pool.refused == 2


async def test_a_validators_answer_is_checked_in_the_same_way(
    kit: ChainKit, log: CountingLog, quick: None
) -> None:
    (made,) = batches(kit, 1)
    for lie in (b"garbage", encode_batch(replace(made, signature=bytes(64)))):
        pool = pool_of(kit, log, Having(made, lie=lie))
        with pytest.raises(BatchMissing):
            await pool.batches(refs([made]), {})
        assert (pool.refused, pool.fetched) == (1, 0)
    pool = pool_of(kit, log, Having(made))
    assert await pool.batches(refs([made]), {}) == {digest(made.header): made}
    assert pool.fetched == 1


async def test_what_was_found_before_a_failure_is_found_again(
    kit: ChainKit, log: CountingLog, quick: None
) -> None:
    made = batches(kit, 3)
    await put_batch(log, encode_batch(made[0]))
    pool = pool_of(kit, log)
    with pytest.raises(BatchMissing):
        await pool.batches(refs(made), {})
    for batch in made[1:]:
        await put_batch(log, encode_batch(batch))
    assert len(await pool.batches(refs(made), {})) == 3


async def test_a_lane_flooded_with_garbage_is_left_for_the_validators_after_a_while(
    kit: ChainKit, log: CountingLog, quick: None
) -> None:
    made = batches(kit, 2)
    flooding = True

    async def flood() -> None:
        while flooding:
            for _ in range(200):
                await put_batch(log, int.to_bytes(LANE, 8, "big") + b"garbage")

    task = asyncio.create_task(flood())
    try:
        pool = pool_of(kit, log, Having(*made))
        async with asyncio.timeout(5):
            assert len(await pool.batches(refs(made), {})) == 2
    finally:
        flooding = False
        await task
    assert pool.refused > 0
    assert max(log.limits) > 2, "among strangers more is read at once"
    assert max(log.limits) <= batch_pool.READ_RECORDS


async def test_what_was_read_too_early_and_dropped_is_read_again(
    kit: ChainKit, log: CountingLog, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_pool, "KEPT_MAX", 4)
    made = batches(kit, 12)
    for batch in reversed(made):
        await put_batch(log, encode_batch(batch))
    pool = pool_of(kit, log)
    cursors: dict[int, tuple[int, bytes]] = {}
    for batch in made:
        found: dict[bytes, Batch] = {}
        for _ in range(5):
            try:
                found = await pool.batches(refs([batch]), cursors)
                break
            except BatchMissing:
                continue
        assert found == {digest(batch.header): batch}
        cursors[batch.header.producer_id] = (batch.header.seq, digest(batch.header))


async def test_a_log_that_is_away_leaves_the_batches_to_the_validators(kit: ChainKit) -> None:
    made = [*batches(kit, 2), *batches(kit, 1, SETTLEMENT)]
    pool = pool_of(kit, MemoryLog(), Having(*made))
    assert len(await pool.batches(refs(made), {})) == 3


async def test_a_trimmed_lane_goes_on_at_its_oldest_record(kit: ChainKit, quick: None) -> None:
    made = batches(kit, 4)
    log = await new_log()
    for batch in made:
        await put_batch(log, encode_batch(batch))
    await log.trim(TRANSACTIONS, LANE, 2)
    pool = pool_of(kit, log, Having(*made[:2]))
    assert len(await pool.batches(refs(made), {})) == 4
    assert pool.fetched == 2
    await log.stop()
