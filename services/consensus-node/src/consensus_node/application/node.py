"""One validator as its process sees it: comes up from its own disk, listens, then takes part.

Start: re-execute the stored blocks, read the three topics, listen for a twin, then start the replica with
its log. Stop within a bound; killing it at any point is as good.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from consensus_node.application.driver import Driver
from consensus_node.application.executor import Executor
from consensus_node.application.fetching import Fetcher
from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.application.listening import Listening
from consensus_node.application.ports import BlockKeeper
from consensus_node.core.config import HEADERS_KEPT_MAX
from consensus_node.core.durable import Record
from consensus_node.core.inputs import Cursor, Start
from sps.chain.header import Header
from sps.runtime.lifecycle import Backoff, Supervisor
from sps.runtime.logs import get_logger

BACKOFF: Final = Backoff(first_s=0.05, longest_s=1.0)
Loops = Mapping[str, Callable[[], Awaitable[None]]]
Step = Callable[[], Awaitable[None]]


class History:
    """What the block store says about the chain so far: its newest headers, and the producers' cursors."""

    def __init__(self, blocks: BlockKeeper) -> None:
        self.headers: list[Header] = []
        self.cursors: dict[int, tuple[int, bytes]] = {}
        for height in range(1, blocks.height + 1):
            committed = blocks.block(height)
            for ref in committed.refs:
                self.cursors[ref.producer_id] = (ref.seq, ref.digest)
            if height > blocks.height - HEADERS_KEPT_MAX:
                self.headers.append(committed.header)

    def start(self, now_ms: int, records: tuple[Record, ...]) -> Start:
        """The replica's first input."""
        cursors = tuple(Cursor(producer, *self.cursors[producer]) for producer in sorted(self.cursors))
        return Start(now_ms, records, tuple(self.headers), cursors)


class Node:
    """A service: name, start, stop, ready, failed."""

    def __init__(
        self,
        name: str,
        records: tuple[Record, ...],
        listen_s: float,
        inbox: Inbox,
        clock: SteadyClock,
        blocks: BlockKeeper,
        executor: Executor,
        intake: Intake,
        fetcher: Fetcher,
        listening: Listening,
        driver: Driver,
        supervisor: Supervisor,
        loops: Loops,
        first: Sequence[Step],
        last: Sequence[Step],
        port: Callable[[], int],
    ) -> None:
        self.name = name
        self._records = records
        self._listen_s = listen_s
        self._inbox = inbox
        self._clock = clock
        self._blocks = blocks
        self._executor = executor
        self._intake = intake
        self._fetcher = fetcher
        self._listening = listening
        self._driver = driver
        self._supervisor = supervisor
        self._loops = loops
        self._first = first
        self._last = last
        self._port = port
        self._taking_part = False
        self._stopped = False

    @property
    def final_height(self) -> int:
        """The newest final height that is stored here."""
        return self._blocks.height

    @property
    def executed(self) -> tuple[int, bytes]:
        """The newest executed height and its app_hash."""
        return self._executor.newest.height, self._executor.newest.app_hash

    async def start(self) -> None:
        """Come up from the disk and begin to read; taking part follows after the listening time."""
        await self._executor.replay()
        for step in self._first:
            await step()
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            **self._loops,
            "replica": self._take_part,
            "executor": lambda: self._executor.work(self._intake, self._fetcher),
            "settle": self._driver.settle,
            "fetch-blocks": self._fetcher.fetch_blocks,
            "fetch-batches": self._fetcher.fetch_batches,
            "look": self._fetcher.look,
        }
        for name, body in loops.items():
            self._supervisor.run(name, body, BACKOFF)

    async def stop(self) -> None:
        """End all loops, then close what was opened; harmless when repeated or never started."""
        if not self._stopped:
            self._stopped = True
            self._taking_part = False
            await self._supervisor.stop()
            for step in self._last:
                await step()

    @property
    def port(self) -> int:
        """Where the catch-up endpoint listens."""
        return self._port()

    @property
    def taking_part(self) -> bool:
        """The listening time is over and the replica runs."""
        return self._taking_part

    def ready(self) -> bool:
        """It takes part and executes what is final."""
        current = self._executor.newest.height >= self._blocks.height - 1
        return self._taking_part and current and self._supervisor.ready()

    async def failed(self) -> None:
        """Return when the node refuses to go on."""
        await self._supervisor.failed()

    @property
    def defect(self) -> Exception | None:
        """Why the node refuses to go on."""
        return self._supervisor.defect

    async def _take_part(self) -> None:
        await asyncio.sleep(self._listen_s)
        history = History(self._blocks)
        self._inbox.put(history.start(self._clock.now_ms(), self._records))
        self._records = ()
        self._executor.report()
        self._intake.restore(history.cursors)
        self._listening.end()
        self._taking_part = True
        get_logger(self.name).info("node.takes_part", height=self._blocks.height)
        await self._driver.drive()
