"""Background loops: do what is due, then wait for a wake-up or a moment."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from sps.runtime.lifecycle import Supervisor

IDLE_S: Final = 0.5
"""Work that becomes due by time alone waits at most this long."""


class Work(Protocol):
    """A use case that is done in rounds."""

    @property
    def wake(self) -> asyncio.Event:
        """Set when there may be something to do before the next moment."""

    async def round(self) -> int:
        """Do what is due; 0: nothing was."""


def run_worker(
    supervisor: Supervisor, name: str, work: Work, begin: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Run the rounds for ever, under watch; the first one after `begin` has returned."""

    async def forever() -> None:
        if begin is not None:
            await begin()
        while True:
            done = await work.round()
            if not done:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_S):
                        await work.wake.wait()

    supervisor.run(name, forever)
