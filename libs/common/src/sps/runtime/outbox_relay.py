"""The one sender of a producer's facts: seals in order, stores the signed batch, sends it until it is seen.

A batch is stored before it is sent, and the same bytes are sent again: a producer that signs two batches
under one number frames itself. Nothing is sealed before the follower has seen the whole chain, because the
chain, not our database, says which number comes next (the database may be a restored backup).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sps.chain.batch import (
    BATCH_BYTES_MAX,
    BATCH_TX_MAX,
    FIRST_PREV_DIGEST,
    FIRST_SEQ,
    Batch,
    digest,
    encode_batch,
    seal,
)
from sps.eventlog.port import EventLog, NewRecord
from sps.eventlog.topics import TOPICS, TRANSACTIONS
from sps.runtime.batch_tracing import BatchTracing
from sps.runtime.bulk import among
from sps.runtime.clock import Clock, SystemClock
from sps.runtime.database import Database, one_at_a_time
from sps.runtime.lifecycle import Supervisor
from sps.runtime.metrics import OutboxMetrics
from sps.runtime.outbox_facts import SEALING, TransactionOutbox
from sps.runtime.probe import Probe, no_probe
from sps.runtime.tables import outbox_batch, outbox_transaction
from sps.signing import Signer

WINDOW: Final = 64
"""Batches under way at once; validators ignore what is further ahead of the chain."""
LINGER_S: Final = 0.005
"""How long the first fact waits for company."""
RESEND_S: Final = 2.0
POLL_S: Final = 1.0
"""A safety net under the wake-ups: another process may have written."""
SEND_BYTES_MAX: Final = 768 * 1024
"""Records appended in one call; at least one."""
COUNT_BYTES: Final = 4
LOOP: Final = "relay"

_fact: Final = outbox_transaction.c
_batch: Final = outbox_batch.c


class _Last(Struct, frozen=True):
    """What the next batch follows."""

    seq: int
    digest: bytes


class BatchRelay:
    """`start` it with a supervisor. `caught_up` returns once the follower has seen the whole chain."""

    def __init__(
        self,
        *,
        chain_id: bytes,
        signer: Signer,
        outbox: TransactionOutbox,
        database: Database,
        log: EventLog,
        caught_up: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
        metrics: OutboxMetrics | None = None,
        tracing: BatchTracing | None = None,
        probe: Probe = no_probe,
    ) -> None:
        self._chain_id: Final = chain_id
        self._signer: Final = signer
        self._outbox: Final = outbox
        self._database: Final = database
        self._log: Final = log
        self._caught_up: Final = caught_up
        self._clock: Final = clock or SystemClock()
        self._metrics: Final = metrics
        self._tracing: Final = tracing
        self._probe: Final = probe
        self._partition: Final = outbox.producer_id % TOPICS[TRANSACTIONS].partitions
        self._under_way: dict[int, bytes] = {}
        self._sent_at: dict[int, float] = {}
        self._changes_seen = 0
        self._newest: _Last | None = None
        """The last batch in our table, as far as we know."""

    def start(self, supervisor: Supervisor) -> None:
        """Relay in the background."""
        supervisor.run(LOOP, self.run)

    @property
    def unconfirmed(self) -> int:
        """Batches sealed and not yet seen in a block."""
        return len(self._under_way)

    async def run(self) -> None:
        """Relay for ever; every restart begins with what the database says."""
        await self._caught_up()
        await self._load()
        while True:
            self._outbox.wake.clear()
            if self._changes_seen != self._outbox.changes:
                await self._load()
            self._forget_confirmed()
            more = await self._seal_one()
            await self._send_due()
            self._report()
            if not more:
                await self._rest()

    async def _load(self) -> None:
        """Read all under the lock: who sealed before us, perhaps without an answer, has ended then."""
        self._changes_seen, before = self._outbox.changes, self._outbox.waiting
        async with self._database.transaction() as connection:
            await one_at_a_time(connection, SEALING)
            waiting = await connection.scalar(
                select(func.count()).select_from(outbox_transaction).where(_fact.batch_seq.is_(None))
            )
            rows = await connection.execute(
                select(_batch.seq, _batch.record)
                .where(_batch.confirmed_height.is_(None))
                .order_by(_batch.seq)
            )
            under_way = {seq: record for seq, record in rows if record is not None}
            newest = await _newest(connection)
        self._under_way, self._newest = under_way, newest
        # What was added while we read may be counted twice, but not missed.
        self._outbox.waiting = (waiting or 0) + max(0, self._outbox.waiting - before)
        self._sent_at = {}

    def _forget_confirmed(self) -> None:
        for seq in [seq for seq in self._under_way if seq <= self._outbox.confirmed_seq]:
            del self._under_way[seq]
            self._sent_at.pop(seq, None)

    def _report(self) -> None:
        if self._metrics:
            self._metrics.unconfirmed.set(len(self._under_way))
            self._metrics.waiting.set(self._outbox.waiting)
            self._metrics.adopted.set(self._outbox.adopted)

    async def _seal_one(self) -> bool:
        """Seal the oldest waiting facts; tell whether more are waiting than went in."""
        if not self._outbox.waiting or len(self._under_way) >= WINDOW:
            return False
        async with self._database.transaction() as connection:
            await one_at_a_time(connection, SEALING)
            last = await _newest(connection)
            if last != self._newest:
                self._outbox.look_again()  # another process sealed, or the chain overruled us
                return True
            facts = await _oldest_waiting(connection)
            if not facts:
                self._outbox.waiting = 0
                return False
            batch = await self._store(connection, facts, last)
        self._newest = _Last(batch.header.seq, digest(batch.header))
        self._under_way[batch.header.seq] = encode_batch(batch)
        self._outbox.waiting = max(0, self._outbox.waiting - len(facts))
        if self._tracing is not None:
            self._tracing.sealed(batch, [body for _, body in facts])
        self._probe("relay.stored")
        if self._metrics:
            self._metrics.batches.inc()
        return self._outbox.waiting > 0

    async def _store(
        self, connection: AsyncConnection, facts: Sequence[tuple[int, bytes]], last: _Last
    ) -> Batch:
        seq, previous = last.seq + 1, last.digest
        now_ms = self._clock.now_ms()
        bodies = [body for _, body in facts]
        batch = seal(self._signer, self._chain_id, self._outbox.producer_id, seq, previous, bodies, now_ms)
        await connection.execute(
            insert(outbox_batch).values(
                seq=seq, digest=digest(batch.header), record=encode_batch(batch), sealed_ms=now_ms
            )
        )
        places = among(connection, _fact.position, [position for position, _ in facts])
        await connection.execute(update(outbox_transaction).where(places).values(batch_seq=seq))
        return batch

    async def _send_due(self) -> None:
        """Append what was never sent and what was not seen for `RESEND_S`, in order."""
        now = time.monotonic()
        due = [seq for seq in sorted(self._under_way) if now - self._sent_at.get(seq, -RESEND_S) >= RESEND_S]
        while due:
            now_going = _first_fitting(due, self._under_way)
            records = [self._record(self._under_way[seq]) for seq in now_going]
            await self._log.append(TRANSACTIONS, self._partition, records)
            if self._tracing is not None:
                self._tracing.appended(now_going)
            self._probe("relay.appended")
            if self._metrics:
                self._metrics.resent.inc(sum(seq in self._sent_at for seq in now_going))
            self._sent_at.update(dict.fromkeys(now_going, time.monotonic()))
            due = due[len(now_going) :]

    def _record(self, raw: bytes) -> NewRecord:
        if self._tracing is None:
            return NewRecord(self._key, raw)
        return NewRecord(self._key, raw, self._tracing.headers(raw))

    @property
    def _key(self) -> bytes:
        return self._outbox.producer_id.to_bytes(8, "big")

    async def _rest(self) -> None:
        """Sleep until something is added or confirmed, or until a batch is due again."""
        oldest = min(self._sent_at.values(), default=None)
        patience = POLL_S if oldest is None else min(POLL_S, max(0.0, oldest + RESEND_S - time.monotonic()))
        try:
            async with asyncio.timeout(patience):
                await self._outbox.wake.wait()
        except TimeoutError:
            self._outbox.waiting = max(self._outbox.waiting, 1)  # look once, whatever the counter says
        else:
            await asyncio.sleep(LINGER_S)


async def _newest(connection: AsyncConnection) -> _Last:
    """Number and digest of the last batch; before the first one those that it follows."""
    query = select(_batch.seq, _batch.digest).order_by(_batch.seq.desc()).limit(1)
    row = (await connection.execute(query)).first()
    return _Last(row.seq, row.digest) if row else _Last(FIRST_SEQ - 1, FIRST_PREV_DIGEST)


async def _oldest_waiting(connection: AsyncConnection) -> list[tuple[int, bytes]]:
    unsealed: ColumnElement[bool] = _fact.batch_seq.is_(None)
    rows = await connection.execute(
        select(_fact.position, _fact.body).where(unsealed).order_by(_fact.position).limit(BATCH_TX_MAX)
    )
    chosen: list[tuple[int, bytes]] = []
    size = COUNT_BYTES
    for position, body in rows:
        size += COUNT_BYTES + len(body)
        if size > BATCH_BYTES_MAX:
            break
        chosen.append((position, body))
    return chosen


def _first_fitting(due: Sequence[int], records: dict[int, bytes]) -> list[int]:
    total = 0
    for index, seq in enumerate(due):
        total += len(records[seq])
        if index and total > SEND_BYTES_MAX:
            return list(due[:index])
    return list(due)
