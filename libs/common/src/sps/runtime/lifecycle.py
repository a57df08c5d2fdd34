"""Starting, running and stopping: loops that are watched, stops that are bounded.

A loop that meets trouble is tried again, sooner at first and then slowly, and says that it is not ready.
A loop that meets a defect ends, and its service says that it failed. Nothing dies silently.
"""

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry

from sps.runtime.errors import is_trouble
from sps.runtime.logs import get_logger
from sps.runtime.metrics import LoopMetrics

STOP_S: Final = 10.0
"""The longest that one service may take to stop; afterwards it is left behind."""
START_S: Final = 120.0
HEALTHY_S: Final = 10.0
"""A loop that ran this long without trouble begins again with the shortest pause."""
SETTLED_S: Final = 1.0
"""A loop that was in lasting trouble and runs this long is ready again."""

_jitter: Final = random.SystemRandom()


class Service(Protocol):
    """One service as its process sees it."""

    name: str

    async def start(self) -> None:
        """Come up; return when it serves."""

    async def stop(self) -> None:
        """Stop taking, finish or roll back, close; within `STOP_S`; harmless when never started."""

    def ready(self) -> bool:
        """All dependencies are up and the projection is current."""


class Backoff(Struct, frozen=True):
    """Pauses: `first_s`, doubled each time up to `longest_s`, shortened at random by up to half."""

    first_s: float = 0.1
    longest_s: float = 30.0
    patience: int = 3
    """This many failures in a row and the loop is not ready any more."""

    def pause_s(self, failures: int, chance: float) -> float:
        """`failures` ≥ 1; `chance` in [0, 1)."""
        full = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return full * (1 - chance / 2)


class Supervisor:
    """The background loops of one service."""

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self._log: Final = get_logger(service)
        self._metrics: Final = LoopMetrics(registry or CollectorRegistry())
        self._tasks: Final[dict[str, asyncio.Task[None]]] = {}
        self._failures: Final[dict[str, int]] = {}
        self._patience: Final[dict[str, int]] = {}
        self._began: Final[dict[str, float]] = {}
        self._failed: Final = asyncio.Event()
        self.defect: Exception | None = None
        """The first defect of any loop; the service has failed when there is one."""

    def run(self, loop: str, body: Callable[[], Awaitable[None]], backoff: Backoff | None = None) -> None:
        """Run `body` (it returns when there is nothing more to do, ever) under watch, in the background."""
        if loop in self._tasks:
            raise ValueError(f"the loop {loop} runs already")
        pauses = backoff or Backoff()
        self._patience[loop], self._failures[loop] = pauses.patience, 0
        self._metrics.crashed.labels(loop)
        self._metrics.troubled.labels(loop)
        self._tasks[loop] = asyncio.create_task(self._watch(loop, body, pauses), name=loop)

    def ready(self) -> bool:
        """No defect, and no loop in lasting trouble."""
        return self.defect is None and all(map(self._well, self._failures))

    def _well(self, loop: str) -> bool:
        if self._failures[loop] < self._patience[loop]:
            return True
        began = self._began.get(loop)  # absent during a pause
        return began is not None and asyncio.get_running_loop().time() - began > SETTLED_S

    async def failed(self) -> None:
        """Return when a loop has met a defect."""
        await self._failed.wait()

    async def stop(self) -> None:
        """Cancel all loops and wait for them, within `STOP_S`."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        self._tasks.clear()

    async def _watch(self, loop: str, body: Callable[[], Awaitable[None]], backoff: Backoff) -> None:
        clock = asyncio.get_running_loop()
        while True:
            began = self._began[loop] = clock.time()
            try:
                await body()
            except Exception as error:  # noqa: BLE001 every kind is told apart below, and none is lost
                del self._began[loop]
                if clock.time() - began > HEALTHY_S:
                    self._failures[loop] = 0
                if not is_trouble(error):
                    self._give_up(loop, error)
                    return
                await self._pause(loop, error, backoff)
            else:
                return

    async def _pause(self, loop: str, error: Exception, backoff: Backoff) -> None:
        self._failures[loop] += 1
        self._metrics.troubled.labels(loop).inc()
        pause_s = backoff.pause_s(self._failures[loop], _jitter.random())
        self._log.warning("loop.trouble", loop=loop, error=repr(error), pause_s=round(pause_s, 3))
        await asyncio.sleep(pause_s)

    def _give_up(self, loop: str, error: Exception) -> None:
        self._metrics.crashed.labels(loop).inc()
        self._log.error("loop.defect", loop=loop, error=repr(error), exc_info=error)
        self.defect = self.defect or error
        self._failed.set()


async def stop_bounded(stop: Callable[[], Awaitable[None]], what: str, limit_s: float = STOP_S) -> bool:
    """Stop something within a bound; tell whether it stopped well. A failure is logged, not raised."""
    try:
        async with asyncio.timeout(limit_s):
            await stop()
    except Exception as error:  # noqa: BLE001 the others have to be stopped as well
        get_logger(what).error("stop.failed", error=repr(error))
        return False
    return True


async def run_services(services: Sequence[Service], *, until: asyncio.Event | None = None) -> int:
    """Start in order, run until SIGTERM, SIGINT, `until` or a failed service, stop in reverse order.

    Returns the exit code: 0 when asked to end and all stopped within their bounds.
    """
    end = until or asyncio.Event()
    with _signals(end):
        started: list[Service] = []
        try:
            for service in services:
                started.append(service)
                async with asyncio.timeout(START_S):
                    await service.start()
            failed = await _wait(services, end)
        finally:
            stopped = [await stop_bounded(service.stop, service.name) for service in reversed(started)]
    return 1 if failed or not all(stopped) else 0


async def _wait(services: Sequence[Service], end: asyncio.Event) -> bool:
    """Wait for the end; a service that can fail has a coroutine method `failed` (`Supervisor.failed`)."""
    asked = asyncio.ensure_future(end.wait())
    failures = [asyncio.ensure_future(service.failed()) for service in services if hasattr(service, "failed")]
    try:
        await asyncio.wait({asked, *failures}, return_when=asyncio.FIRST_COMPLETED)
        return any(task.done() for task in failures)
    finally:
        for task in (asked, *failures):
            task.cancel()
        await asyncio.gather(asked, *failures, return_exceptions=True)


@contextlib.contextmanager
def _signals(end: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    caught = (signal.SIGTERM, signal.SIGINT)
    for number in caught:
        loop.add_signal_handler(number, end.set)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
