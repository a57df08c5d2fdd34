"""Sends batches made beforehand, and learns from the log itself in which blocks they came to stand."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

from msgspec import Struct

from sps.chain.block import Committed, decode_committed
from sps.eventlog.port import EventLog
from sps.eventlog.topics import BLOCKS, TRANSACTIONS
from sps_cli.benches.sealed import Sealed
from sps_cli.benches.validator_processes import LOOK_S, ValidatorProcesses

READ_WAIT_S: Final = 1.0
PATIENCE_S: Final = 180.0


class Sent(Struct, frozen=True):
    """One batch and its fate; nanoseconds of the wall clock."""

    sealed: Sealed
    began_ns: int
    """When it was given to the log."""
    height: int
    """Of its final block."""
    executed_ns: int
    """When all validators were seen to have executed it."""


class Conveyor:
    """Follows the final blocks while it sends."""

    def __init__(self, log: EventLog, validators: ValidatorProcesses) -> None:
        self._log: Final = log
        self._validators: Final = validators
        self.blocks: Final[dict[int, Committed]] = {}
        """Every final block by height."""
        self._height_of: Final[dict[bytes, int]] = {}
        self._grown = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(cls, log: EventLog, validators: ValidatorProcesses) -> AsyncIterator[Self]:
        """Follow until the end of the block."""
        conveyor = cls(log, validators)
        loops = [asyncio.create_task(conveyor._follow()), asyncio.create_task(conveyor._look())]
        try:
            yield conveyor
        finally:
            for loop in loops:
                loop.cancel()
                with suppress(asyncio.CancelledError):
                    await loop

    async def send(self, batches: Sequence[Sealed], *, at_once: int, every_s: float = 0.0) -> list[Sent]:
        """Send in order, one every so many seconds, `at_once` under way; return when all are executed."""
        room = asyncio.Semaphore(at_once)
        start = time.monotonic()
        async with asyncio.timeout(PATIENCE_S + len(batches) * every_s), asyncio.TaskGroup() as group:
            tasks = []
            for number, sealed in enumerate(batches):
                await asyncio.sleep(max(0.0, start + number * every_s - time.monotonic()))
                if sealed.after is not None:
                    await self._ordered(sealed.after)
                await room.acquire()
                tasks.append(group.create_task(self._one(sealed, room)))
        return [task.result() for task in tasks]

    async def _one(self, sealed: Sealed, room: asyncio.Semaphore) -> Sent:
        began_ns = time.time_ns()
        await self._log.append(TRANSACTIONS, sealed.partition, [sealed.record])
        height = await self._ordered(sealed.name)
        while self._validators.executed < height:
            await self._next()
        room.release()
        return Sent(sealed, began_ns, height, time.time_ns())

    async def _ordered(self, name: bytes) -> int:
        while name not in self._height_of:
            await self._next()
        return self._height_of[name]

    async def _next(self) -> None:
        """Wait for news; looks again after a moment in any case."""
        grown = self._grown
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_WAIT_S):
                await grown.wait()

    def _tell(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _follow(self) -> None:
        offset, _ = await self._log.bounds(BLOCKS, 0)
        while True:
            for record in await self._log.read(BLOCKS, 0, offset, wait_s=READ_WAIT_S):
                offset = record.offset + 1
                committed = decode_committed(record.value)
                self.blocks.setdefault(committed.header.height, committed)
                for ref in committed.refs:
                    self._height_of[ref.digest] = committed.header.height
            self._tell()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            before = self._validators.executed
            self._validators.look()
            if self._validators.executed != before:
                self._tell()
