"""Background loops: do what is due, then wait for a wake-up or a moment."""

import asyncio
import contextlib
from typing import Protocol

from sps.runtime.lifecycle import Supervisor


class Work(Protocol):
    """A use case that is done in rounds."""

    async def round(self) -> bool:
        """Do what is due; True: there may be more."""


class Worker:
    """One loop. `wake` it when there may be something to do before the next moment."""

    def __init__(self, name: str, work: Work, pause_s: float) -> None:
        self._name = name
        self._work = work
        self._pause_s = pause_s
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    def start(self, supervisor: Supervisor) -> None:
        """Run for ever, under watch."""
        supervisor.run(self._name, self._forever)

    async def _forever(self) -> None:
        while True:
            self._woken.clear()
            if not await self._work.round():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s):
                        await self._woken.wait()
