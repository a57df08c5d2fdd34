"""Raises processes of a fleet that died by themselves: after a pause that grows, and said aloud.

A process that refuses its settings (exit code 2) is not started again: nothing would change.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from sps.runtime.lifecycle import Backoff
from sps_cli.fleet import Fleet, how_ended

REFUSED: Final = 2
PAUSES: Final = Backoff(first_s=0.5, longest_s=30.0)
HEALTHY_S: Final = 30.0
"""A process that lived this long begins again with the shortest pause."""


class Keeper:
    """Watches every process that runs when it is started, until `stop`."""

    def __init__(self, fleet: Fleet, told: Callable[[str], None], pauses: Backoff = PAUSES) -> None:
        self._fleet: Final = fleet
        self._told: Final = told
        self._pauses: Final = pauses
        self._tasks: Final[list[asyncio.Task[None]]] = []
        self._given_up: Final = asyncio.Event()
        self.refused = ""
        """The first process that refused to run."""

    def start(self, names: tuple[str, ...]) -> None:
        self._tasks.extend(asyncio.create_task(self._keep(name), name=f"keep-{name}") for name in names)

    async def stop(self) -> None:
        """From now on what ends has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def given_up(self) -> str:
        """The name of the first process that refused to run, as soon as there is one."""
        await self._given_up.wait()
        return self.refused

    async def _keep(self, name: str) -> None:
        clock, deaths = asyncio.get_running_loop(), 0
        while True:
            began = clock.time()
            code = await self._fleet.ended(name)
            if code == REFUSED:
                self._told(f"{name} refuses to run: {self._fleet.tail(name).strip()}")
                self.refused = self.refused or name
                self._given_up.set()
                return
            deaths = 1 if clock.time() - began > HEALTHY_S else deaths + 1
            pause_s = self._pauses.pause_s(deaths, 0.0)
            self._told(f"{name} ended with {how_ended(code)}; started again in {pause_s:.1f} s")
            await asyncio.sleep(pause_s)
            await self._fleet.start_one(name)
