"""One validator as its process sees it: comes up from its own disk, listens, then takes part.

Start: re-execute the stored blocks, read the three topics, listen for a twin, then start the replica with
its log. Stop within a bound; killing it at any point is as good.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

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
from sps.runtime.lifecycle import Backoff, Steps, Supervisor, stop_all
from sps.runtime.logs import get_logger
from sps.runtime.monitor import Monitor

BACKOFF: Final = Backoff(first_s=0.05, longest_s=1.0)
Loops = Mapping[str, Callable[[], Awaitable[None]]]
Step = Callable[[], Awaitable[None]]


class Endpoint(Protocol):
    """Where peers ask for what they miss."""

    @property
    def port(self) -> int: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class History:
    """What the block store says about the chain so far: its newest headers, and the producers' cursors.

    `executed` names the height up to which `cursors` are known already.
    """

    def __init__(self, blocks: BlockKeeper, executed: int, cursors: Mapping[int, tuple[int, bytes]]) -> None:
        self.headers: list[Header] = []
        self.cursors = dict(cursors)
        newest = blocks.height - HEADERS_KEPT_MAX
        for height in range(max(1, min(executed, newest) + 1), blocks.height + 1):
            committed = blocks.block(height)
            if height > executed:
                for ref in committed.refs:
                    self.cursors[ref.producer_id] = (ref.seq, ref.digest)
            if height > newest:
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
        monitor: Monitor,
        endpoint: Endpoint,
        last: Mapping[str, Step],
    ) -> None:
        self.name = name
        self.monitor = monitor
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
        self._endpoint = endpoint
        self._last = last
        self._steps = Steps(monitor.start, executor.replay, endpoint.start, self._work, monitor.open)
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
        await self._steps.run()

    async def _work(self) -> None:
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
        """Close the endpoint, end all loops, close what was opened; harmless when never started."""
        if not self._stopped:
            self._stopped = True
            self._taking_part = False
            await stop_all(
                ("http", self._endpoint.stop),
                ("loops", self._supervisor.stop),
                *self._last.items(),
                ("monitor", self.monitor.stop),
            )

    @property
    def port(self) -> int:
        """Where the catch-up endpoint listens."""
        return self._endpoint.port

    @property
    def taking_part(self) -> bool:
        """The listening time is over and the replica runs."""
        return self._taking_part

    def dependencies(self) -> dict[str, bool]:
        """For the readiness probe: takes part, executes what is final, no loop is in lasting trouble."""
        return {
            "consensus": self._taking_part,
            "execution": self._executor.newest.height >= self._blocks.height - 1,
            "loops": self._supervisor.ready(),
        }

    def ready(self) -> bool:
        """It takes part and executes what is final."""
        return all(self.dependencies().values())

    async def failed(self) -> None:
        """Return when the node refuses to go on."""
        await self._supervisor.failed()

    @property
    def defect(self) -> Exception | None:
        """Why the node refuses to go on."""
        return self._supervisor.defect

    async def _take_part(self) -> None:
        await asyncio.sleep(self._listen_s)
        executor = self._executor
        history = History(self._blocks, executor.newest.height, executor.cursors)
        self._inbox.put_first(history.start(self._clock.now_ms(), self._records))
        self._records = ()
        self._executor.report()
        self._intake.restore(history.cursors)
        self._listening.end()
        self._taking_part = True
        get_logger(self.name).info("node.takes_part", height=self._blocks.height)
        await self._driver.drive()
