"""Facts of one producer, written in the database transaction of their cause, unique for ever by their id.

A fact exists exactly when its cause does. Sealing and sending is the relay's (`outbox_relay`); the follower's
transaction confirms.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sps.chain.header import BatchRef
from sps.runtime.bulk import rows_of
from sps.runtime.clock import Clock, SystemClock
from sps.runtime.database import on_commit, one_at_a_time
from sps.runtime.errors import Refusal, Trouble
from sps.runtime.tables import outbox_batch, outbox_transaction
from sps.transactions.codec import encode, transaction_hash
from sps.transactions.vocabulary import Transaction

WAITING_MAX: Final = 100_000
"""Facts not sealed yet; beyond it new ones are refused until the chain takes them."""
ADD_MAX: Final = 1_000
SEALING: Final = "sps.outbox.sealing"
"""What one transaction at a time may do: give batch numbers to facts, or take them back."""

_fact: Final = outbox_transaction.c
_batch: Final = outbox_batch.c
# PostgreSQL and SQLite read this alike; the second writer of an id waits for the first.
_INSERT: Final = text(
    "INSERT INTO outbox_transaction (id, hash, body, created_ms) VALUES (:id, :hash, :body, :created_ms)"
    " ON CONFLICT (id) DO NOTHING"
)


class Conflict(Refusal):
    """The id was given before to another fact."""


class OutboxFull(Trouble):
    """The chain has not taken our facts for a while."""


class TransactionOutbox:
    """The facts of one producer: use cases `add`, the relay seals, the follower confirms."""

    def __init__(self, producer_id: int, clock: Clock | None = None) -> None:
        self.producer_id: Final = producer_id
        self.wake: Final = asyncio.Event()
        self.waiting = 0
        self.confirmed_seq = 0
        self.adopted = 0
        """How often another batch was ordered under one of our numbers."""
        self.changes = 0
        """Rises when the relay has to read its table again."""
        self._clock: Final = clock or SystemClock()

    async def add(self, connection: AsyncConnection, *transactions: Transaction) -> tuple[str, ...]:
        """Write facts in the caller's transaction; return their hashes in hex, for `Follower.receipt`.

        The same fact again changes nothing. Raises `Conflict` when an id was used for another fact,
        `OutboxFull` when too many wait.
        """
        if len(transactions) > ADD_MAX:
            raise Conflict("TOO_MANY_TRANSACTIONS", f"at most {ADD_MAX} at a time")
        if self.waiting + len(transactions) > WAITING_MAX:
            raise OutboxFull(f"{self.waiting} transactions wait for the chain")
        rows = [self._row(transaction) for transaction in transactions]
        if not rows:
            return ()
        _check_apart(rows)
        written = (await connection.execute(_INSERT, rows)).rowcount
        if written != len(rows):  # a driver that does not count says -1
            await _check_same(connection, rows)
        on_commit(connection, lambda: self._added(written if written >= 0 else len(rows)))
        return tuple(row["hash"].hex() for row in rows)

    async def confirm(self, connection: AsyncConnection, height: int, refs: Iterable[BatchRef]) -> None:
        """Take note, in the follower's transaction, of the batches of ours that a block has ordered."""
        for ref in refs:
            if ref.producer_id == self.producer_id:
                await self._confirm_one(connection, height, ref)

    async def _confirm_one(self, connection: AsyncConnection, height: int, ref: BatchRef) -> None:
        ours = await connection.execute(
            update(outbox_batch)
            .where(_batch.seq == ref.seq, _batch.digest == ref.digest)
            .values(record=None, confirmed_height=height)
        )
        if ours.rowcount:
            await connection.execute(
                update(outbox_transaction).where(_fact.batch_seq == ref.seq).values(body=None)
            )
            await connection.execute(delete(outbox_batch).where(_batch.seq < ref.seq))
        else:
            await self._adopt(connection, height, ref)
        on_commit(connection, lambda: self._confirmed(ref.seq))

    async def _adopt(self, connection: AsyncConnection, height: int, ref: BatchRef) -> None:
        """The chain knows a batch under this number that we do not: our database is older than our key.

        What the chain says counts. Facts that waited under this or a later number are sealed anew. Nothing is
        sealed meanwhile.
        """
        await one_at_a_time(connection, SEALING)
        await connection.execute(
            update(outbox_transaction)
            .where(_fact.batch_seq >= ref.seq, _fact.body.is_not(None))
            .values(batch_seq=None)
        )
        await connection.execute(delete(outbox_batch))
        await connection.execute(
            insert(outbox_batch).values(
                seq=ref.seq, digest=ref.digest, sealed_ms=self._clock.now_ms(), confirmed_height=height
            )
        )
        on_commit(connection, self._adopted)

    def _row(self, transaction: Transaction) -> dict[str, Any]:
        body = encode(transaction)
        return {
            "id": transaction.id,
            "hash": transaction_hash(body),
            "body": body,
            "created_ms": self._clock.now_ms(),
        }

    def _added(self, count: int) -> None:
        self.waiting += count
        self.wake.set()

    def _confirmed(self, seq: int) -> None:
        self.confirmed_seq = max(self.confirmed_seq, seq)
        self.wake.set()

    def _adopted(self) -> None:
        self.adopted += 1
        self.look_again()

    def look_again(self) -> None:
        """Tell the relay that the tables may have changed without a call-back."""
        self.changes += 1
        self.wake.set()


def _check_apart(rows: list[dict[str, Any]]) -> None:
    if len({row["id"] for row in rows}) != len({(row["id"], row["hash"]) for row in rows}):
        raise Conflict("TRANSACTION_ID_TAKEN", "one id for two facts")


async def _check_same(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    wanted = {row["id"]: row["hash"] for row in rows}
    found = await rows_of(connection, outbox_transaction, "id", ("hash",), list(wanted))
    for name, known in found:
        if wanted[name] != known:
            raise Conflict("TRANSACTION_ID_TAKEN", f"{name} was given to another fact")


async def oldest_unconfirmed_ms(connection: AsyncConnection) -> int | None:
    """Since when the oldest fact waits that no block has; None: all are in blocks. Two looks at an index."""
    unsealed = select(_fact.created_ms).where(_fact.batch_seq.is_(None)).order_by(_fact.position).limit(1)
    sealed = select(_batch.sealed_ms).where(_batch.confirmed_height.is_(None)).order_by(_batch.seq).limit(1)
    found = [await connection.scalar(unsealed), await connection.scalar(sealed)]
    return min((each for each in found if each is not None), default=None)
