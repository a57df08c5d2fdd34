"""Surveys: counts that only metrics need, made now and then and never on the way of a request.

A survey takes at most one twentieth of the time: after a long one the pause is longer. One that fails is
logged and shows as an old time stamp, for which there is an alert: a number on a dashboard must never stop a
service that moves money.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import CollectorRegistry

from sps.runtime.clock import Clock
from sps.runtime.lifecycle import Supervisor
from sps.runtime.logs import get_logger
from sps.runtime.metrics import SurveyMetrics

SHARE: Final = 20
"""A pause lasts at least so many times as long as the survey before it."""
MS_PER_S: Final = 1_000

Survey = Callable[[], Awaitable[None]]
"""Looks once and sets its gauges."""


class Surveys:
    """The surveys of one service; they stop with its supervisor."""

    def __init__(
        self, service: str, supervisor: Supervisor, registry: CollectorRegistry, clock: Clock
    ) -> None:
        self._log: Final = get_logger(service)
        self._supervisor: Final = supervisor
        self._metrics: Final = SurveyMetrics(registry)
        self._clock: Final = clock

    def run(self, name: str, survey: Survey, every_s: float) -> None:
        """Make this survey for ever, in the background, the first one at once."""
        self._note(name, 0.0)

        async def forever() -> None:
            while True:
                lasted_s = await self._once(name, survey)
                await asyncio.sleep(max(every_s, SHARE * lasted_s))

        self._supervisor.run(f"survey-{name}", forever)

    async def _once(self, name: str, survey: Survey) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await survey()
        except Exception as error:  # noqa: BLE001 whatever it is, the service goes on
            self._log.warning("survey.failed", survey=name, error=repr(error))
            return loop.time() - began
        lasted_s = loop.time() - began
        self._note(name, lasted_s)
        return lasted_s

    def _note(self, name: str, lasted_s: float) -> None:
        self._metrics.done.labels(name).set(self._clock.now_ms() / MS_PER_S)
        self._metrics.duration.labels(name).set(lasted_s)
