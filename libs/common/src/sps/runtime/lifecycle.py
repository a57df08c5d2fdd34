"""Starting, running and stopping: steps that are tried again, loops that are watched, stops that are bounded.

What meets trouble while it starts is tried again. A loop that meets trouble is tried again, sooner at first
and then slowly, and says that it is not ready. A loop that meets a defect ends, and its service says that it
failed. Nothing dies silently.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct
from prometheus_client import CollectorRegistry

from sps.runtime.errors import is_trouble
from sps.runtime.logs import get_logger
from sps.runtime.metrics import LoopMetrics
from sps.runtime.monitor import Monitor

STOP_S: Final = 10.0
"""The longest that something may take to stop for which nothing else is said; then it is left behind."""
LOOPS_STOP_S: Final = 5.0
"""The longest that the loops of a service may take to end; a database that hangs holds them up."""
GIVE_UP_S: Final = 2.0
"""How long a start that was broken off may take to end."""
HEALTHY_S: Final = 10.0
"""A loop that ran this long without trouble begins again with the shortest pause."""
SETTLED_S: Final = 1.0
"""A loop that was in lasting trouble and runs this long is ready again."""

_jitter: Final = random.SystemRandom()

Step = Callable[[], Awaitable[object]]


class Service(Protocol):
    """One service as its process sees it."""

    @property
    def name(self) -> str: ...

    @property
    def monitor(self) -> Monitor:
        """Started first by `start` and stopped last by `stop`."""

    async def start(self) -> None:
        """Come up; return when it serves. After trouble it may be called again and goes on where it was."""

    async def stop(self) -> None:
        """Stop taking, finish or roll back, close; each within its bound; harmless when never started."""

    def ready(self) -> bool:
        """No loop is in lasting trouble and the projection is current."""

    async def failed(self) -> None:
        """Return when a loop has met a defect."""


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


START_BACKOFF: Final = Backoff(first_s=0.2, longest_s=5.0)


class Steps:
    """Coming up step by step. After trouble the next `run` goes on with the step that failed."""

    def __init__(self, *steps: Step) -> None:
        self._left: Final = deque(steps)

    async def run(self) -> None:
        """Return when all are done; raises what a step raises."""
        while self._left:
            await self._left[0]()
            self._left.popleft()


class Part(Struct, frozen=True):
    """Something that a process starts and stops."""

    name: str
    start: Step
    stop: Step
    stop_s: float = STOP_S
    failed: Step | None = None
    """Returns when it has met a defect; None: it cannot."""


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
        """Cancel all loops and wait for them, within `LOOPS_STOP_S`."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=LOOPS_STOP_S)
            if late:
                self._log.warning("loops.left_behind", loops=sorted(task.get_name() for task in late))
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


async def insist(step: Step, what: str, backoff: Backoff | None = None) -> None:
    """Do it until it is done: trouble is logged, and it is tried again after a pause; all else is raised."""
    failures = 0
    while True:
        try:
            await step()
        except Exception as error:
            if not is_trouble(error):
                raise
            failures += 1
            pause_s = (backoff or START_BACKOFF).pause_s(failures, _jitter.random())
            get_logger(what).warning("start.trouble", error=repr(error), pause_s=round(pause_s, 3))
        else:
            return
        await asyncio.sleep(pause_s)


async def stop_bounded(stop: Step, what: str, limit_s: float = STOP_S) -> bool:
    """Stop something within a bound; tell whether it stopped well. A failure is logged, not raised."""
    try:
        async with asyncio.timeout(limit_s):
            await stop()
    except Exception as error:  # noqa: BLE001 the others have to be stopped as well
        get_logger(what).error("stop.failed", error=repr(error))
        return False
    return True


async def stop_all(*stops: tuple[str, Step]) -> None:
    """Stop one after the other; one that fails does not keep the next from being stopped."""
    for what, stop in stops:
        await stop_bounded(stop, what)


async def run_parts(parts: Sequence[Part], until: asyncio.Event) -> bool:
    """Start in order, run until `until` or a defect, stop in reverse order what was begun.

    `until` is seen at any moment, also while a part starts. Tells whether the end was asked for; a defect
    in a loop is the other reason. Raises what a start raises, unless it is trouble: that is tried again.
    """
    begun: list[Part] = []
    try:
        if not await _unless(until, _start(parts, begun)):
            return True
        return not await _unless(until, _first_defect(parts))
    finally:
        for part in reversed(begun):
            await stop_bounded(part.stop, part.name, part.stop_s)


async def _start(parts: Sequence[Part], begun: list[Part]) -> None:
    for part in parts:
        begun.append(part)
        await insist(part.start, part.name)


async def _first_defect(parts: Sequence[Part]) -> None:
    tasks = [asyncio.ensure_future(part.failed()) for part in parts if part.failed is not None]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _unless(until: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work unless we are asked to end before it is done; tell whether it was done."""
    task = asyncio.create_task(work)
    asked = asyncio.create_task(until.wait())
    try:
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        if until.is_set() or not task.done():
            return False
        task.result()
        return True
    finally:
        task.cancel()
        asked.cancel()
        await asyncio.wait({task, asked}, timeout=GIVE_UP_S)
        if task.done() and not task.cancelled():
            task.exception()  # of what was broken off nobody wants to know how it ended
