"""What goes by on the log of a running platform, read by another process, the bench's own: final blocks, and
the batches of the carrier gateway. On the embedded log it sees them up to 3 ms late.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from msgspec import Struct

from sps.chain.batch import decode_batch
from sps.chain.block import decode_committed
from sps.eventlog.address import open_log
from sps.eventlog.port import EventLog, Record
from sps.eventlog.topics import BLOCKS, TRANSACTIONS
from sps.runtime.errors import Trouble
from sps_cli.state_folder import StateFolder
from sps_cli.wiring import backends_of

CARRIER_GATEWAY: Final = 2
"""Its number as a producer."""
READ_WAIT_S: Final = 1.0
QUIET_S: Final = 0.25
"""No block for this long: the delivery before, with its payout, is through."""
LOOK_S: Final = 0.05
WAIT_S: Final = 20.0


class Seen(Struct, frozen=True):
    """A block as it went by. `read_s` is monotonic, all other times are of the wall clock, Unix milliseconds.

    `batches`: the numbers of the carrier gateway's batches in it.
    """

    read_s: float
    read_ms: float
    proposed_ms: int
    appended_ms: int
    batches: tuple[int, ...]


class Sent(Struct, frozen=True):
    """A batch of the carrier gateway: when it was sealed, and when it was on the log (Unix milliseconds)."""

    sealed_ms: int
    appended_ms: int


class BlockWatch:
    """Reads the final blocks of a running platform from its log."""

    def __init__(self) -> None:
        self.seen: dict[int, Seen] = {}
        self.sent: dict[int, Sent] = {}
        self._moved = asyncio.Event()
        self.spoken = asyncio.Event()
        """Set by a block that holds news of the carrier gateway."""

    @classmethod
    @asynccontextmanager
    async def on(cls, folder: StateFolder) -> AsyncIterator["BlockWatch"]:
        """Watch until the end of the block."""
        watch, log = cls(), open_log(backends_of(folder).event_log)
        await log.start()
        tasks = [asyncio.create_task(read(log)) for read in (watch._read_blocks, watch._read_batches)]
        try:
            yield watch
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await log.stop()

    async def block(self, height: int) -> Seen:
        end = time.monotonic() + WAIT_S
        while height not in self.seen:
            if time.monotonic() > end:
                raise Trouble(f"block {height} is not on the log")
            await asyncio.sleep(LOOK_S)
        return self.seen[height]

    async def quiet(self) -> None:
        """Return when the chain has nothing to do."""
        with suppress(TimeoutError):
            while True:
                self._moved.clear()
                async with asyncio.timeout(QUIET_S):
                    await self._moved.wait()

    async def _read_blocks(self, log: EventLog) -> None:
        async for record in _following(log, BLOCKS, 0):
            committed = decode_committed(record.value)
            numbers = tuple(ref.seq for ref in committed.refs if ref.producer_id == CARRIER_GATEWAY)
            seen = Seen(
                time.monotonic(), time.time() * 1_000, committed.header.time_ms, record.time_ms, numbers
            )
            self.seen.setdefault(committed.header.height, seen)
            self._moved.set()
            if numbers:
                self.spoken.set()

    async def _read_batches(self, log: EventLog) -> None:
        async for record in _following(log, TRANSACTIONS, CARRIER_GATEWAY):
            header = decode_batch(record.value).header
            self.sent.setdefault(header.seq, Sent(header.created_ms, record.time_ms))


async def _following(log: EventLog, topic: str, partition: int) -> AsyncIterator[Record]:
    _, offset = await log.bounds(topic, partition)
    while True:
        for record in await log.read(topic, partition, offset, wait_s=READ_WAIT_S):
            offset = record.offset + 1
            yield record
