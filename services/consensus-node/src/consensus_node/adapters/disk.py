"""A thread of one's own for syncs: the loop goes on meanwhile, and a stalled disk stalls only its node.

`GroupSync`: callers that come while a sync runs share the next one.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, TypeVar

STOP_S: Final = 5.0
T = TypeVar("T")


class DiskThread:
    """Runs jobs in order on one thread."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, job: Callable[[], T]) -> T:
        """Run the job; its error is raised here. A cancelled wait does not cancel the job."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((done, job))
        return await done

    def finish(self) -> None:
        """Ask the thread to end after what already waits."""
        self._jobs.put(None)

    async def stop(self) -> None:
        """End after what already waits, within the bound."""
        self.finish()
        await asyncio.to_thread(self._thread.join, STOP_S)

    def _work(self) -> None:
        while (entry := self._jobs.get()) is not None:
            done, job = entry
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 the thread must live; the asker gets it
                self._tell(_fail, done, error)
            else:
                self._tell(_settle, done, result)

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, *arguments)


def _settle(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)


class GroupSync:
    """`sync` returns when everything written before the call is durable; concurrent callers share syncs."""

    def __init__(self, disk: DiskThread, act: Callable[[], None]) -> None:
        self._disk = disk
        self._act = act
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None

    async def sync(self) -> None:
        if self._next is None:
            self._next = asyncio.create_task(self._run())
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        async with self._one_at_a_time:
            self._next = None
            await self._disk.run(self._act)
