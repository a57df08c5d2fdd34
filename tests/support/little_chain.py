"""A real chain of one validator for tests of services: orders what lies in the event log when it is told to.

Real signatures, real certificates, real execution; only consensus is missing, since one validator agrees with
itself. Nothing happens by itself: `block` makes the next block.
"""

from collections.abc import Sequence
from typing import Final

from chain_kit import ChainKit

from sps.chain.batch import Batch, decode_batch, digest, encode_batch
from sps.chain.block import encode_committed
from sps.chain.execution import execute, new_state
from sps.chain.receipt import Receipt
from sps.eventlog.port import EventLog, NewRecord
from sps.eventlog.topics import BLOCKS, TOPICS, TRANSACTIONS
from sps.transactions.vocabulary import Transaction

PARTITIONS: Final = TOPICS[TRANSACTIONS].partitions


class LittleChain:
    """Reads `sps.transactions.v1`, writes `sps.blocks.v1`."""

    def __init__(self, log: EventLog, kit: ChainKit | None = None) -> None:
        self.kit: Final = kit or ChainKit(1)
        self.state: Final = new_state(self.kit.genesis)
        self.receipts: Final[list[Receipt]] = []
        self._log = log
        self._offsets = dict.fromkeys(range(PARTITIONS), 0)
        self._waiting: list[Batch] = []
        self._known: set[bytes] = set()
        self._carry(0)

    async def say(self, producer: str, *transactions: Transaction) -> None:
        """Append a batch of a producer that is no service under test."""
        batch = self.kit.batch(producer, transactions)
        number = batch.header.producer_id
        record = NewRecord(number.to_bytes(8, "big"), encode_batch(batch))
        await self._log.append(TRANSACTIONS, number % PARTITIONS, [record])

    async def waiting(self) -> int:
        """Batches that lie in the log and are not in a block yet."""
        await self._read()
        return len(self._waiting)

    async def block(self, at_ms: int | None = None) -> tuple[Receipt, ...]:
        """Make, execute and publish the next block of all that waits."""
        await self._read()
        batches, self._waiting = self._waiting, []
        return await self._publish(batches, at_ms)

    async def _read(self) -> None:
        for partition in range(PARTITIONS):
            for record in await self._log.read(TRANSACTIONS, partition, self._offsets[partition]):
                self._offsets[partition] = record.offset + 1
                batch = decode_batch(record.value)
                if digest(batch.header) not in self._known:
                    self._known.add(digest(batch.header))
                    self._waiting.append(batch)

    async def _publish(self, batches: Sequence[Batch], at_ms: int | None) -> tuple[Receipt, ...]:
        previous_ms = self.kit.tip.time_ms if self.kit.tip else 0
        changes = {} if at_ms is None else {"time_ms": max(at_ms, previous_ms + 1)}
        made = self.kit.block(batches, **changes)
        receipts = execute(self.state, made.header, made.refs, batches)
        self._carry(made.header.height)
        key = made.header.height.to_bytes(8, "big")
        await self._log.append(BLOCKS, 0, [NewRecord(key, encode_committed(made))])
        self.receipts.extend(receipts)
        return receipts

    def _carry(self, height: int) -> None:
        """A later header states what executing this height gave."""
        result = self.state.result_of(height)
        self.kit.result(height, result.app_hash, result.results_root)
