"""Background loops: rounds that follow a wake-up, and rounds that follow the clock."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from settlement.application.publish_rates import PublishRates
from sps.runtime.lifecycle import Supervisor

IDLE_S: Final = 0.5
"""A wake-up can be lost when the outcome of a COMMIT is unknown, so each loop also looks by itself."""
RATES_AGAIN_S: Final = 30.0
"""The pause after a look at the source that brought nothing."""


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
            if not await work.round():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(work.wake.wait(), IDLE_S)

    supervisor.run(name, forever)


def run_rates(
    supervisor: Supervisor, work: PublishRates, begin: Callable[[], Awaitable[None]], every_s: float
) -> None:
    """Look at the source for ever, sooner again after a look in vain."""

    async def forever() -> None:
        await begin()
        while True:
            well = await work.round()
            await asyncio.sleep(every_s if well else min(every_s, RATES_AGAIN_S))

    supervisor.run("rates", forever)
