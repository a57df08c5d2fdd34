"""What a process says about itself, on a port of its own: `/metrics`, `/health/live`, `/health/ready`.

Live: the loop turns and answers; nothing external counts, so that nobody is restarted because a broker is
away. Ready: the service has come up, every dependency is up, each shown by its name, and nobody has asked the
process to end.
"""

import asyncio
import importlib.metadata
import os
import platform
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sps.runtime.logs import get_logger
from sps.runtime.metrics import ProcessMetrics, Readiness
from sps.runtime.monitor_http import Answer, SmallServer

SAMPLE_S: Final = 0.25
"""How often the loop is asked for how late it is."""
CHECK_S: Final = 2.0
"""How often a dependency is tried that is up."""
RECHECK_S: Final = 1.0
"""How often one is that is down."""
FIRST_S: Final = 0.2
"""How often one is that was never up: the process has just begun."""
CHECK_LIMIT_S: Final = 2.0
"""A try that has not been answered by then has failed."""
PATIENCE: Final = 2
"""After so many failed tries in a row a dependency is down."""
STOP_S: Final = 1.0

Check = Callable[[], Awaitable[object]]
"""Tries a dependency; raises when it cannot be used."""


class Monitor:
    """Started first and stopped last; harmless when repeated.

    `dependencies` tells what the service knows by itself; `checks` are tried in the background.
    """

    def __init__(
        self,
        name: str,
        registry: CollectorRegistry,
        dependencies: Readiness,
        host: str = "127.0.0.1",
        port: int = 0,
        checks: Mapping[str, Check] | None = None,
    ) -> None:
        self._registries: Final = [registry]
        self._dependencies: Final = dependencies
        self._checks: Final = dict(checks or {})
        self._up: Final = dict.fromkeys(self._checks, False)
        self._log: Final = get_logger(name)
        self._metrics: Final = ProcessMetrics(registry)
        self._metrics.build.labels(version(), commit(), platform.python_version()).set(1)
        self._server: Final = SmallServer(self._answer, host, port)
        self._tasks: Final[list[asyncio.Task[None]]] = []
        self._started = self._ending = False

    @property
    def port(self) -> int:
        """The port that it listens on; known after `start`."""
        return self._server.port

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self) -> None:
        """Listen and begin to look; raises `Trouble` when the port is taken."""
        if self._tasks:
            return
        await self._server.start()
        self._log.info("monitor.listens", url=self.url)
        self._tasks.append(asyncio.create_task(self._sample(), name="monitor:lag"))
        for dependency, check in self._checks.items():
            self._tasks.append(
                asyncio.create_task(self._look(dependency, check), name=f"monitor:{dependency}")
            )

    async def stop(self) -> None:
        """Within `STOP_S` and the server's own bound."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)
        self._tasks.clear()
        await self._server.stop()

    def show(self, registry: CollectorRegistry) -> None:
        """Show these metrics too; none of its names may be another one's."""
        self._registries.append(registry)

    async def open(self) -> None:
        """The service has come up: from now on it is ready when its dependencies are."""
        self._started = True
        self._log.info("service.up")

    def end(self) -> None:
        """Not ready any more, whatever the dependencies say: the process was asked to end."""
        self._ending = True

    def dependencies(self) -> dict[str, bool]:
        """Each dependency by its name, and whether it is up."""
        return {**self._dependencies(), **self._up}

    def ready(self) -> bool:
        """It has come up, all dependencies are up, and nobody asked it to end."""
        return self._started and not self._ending and all(self.dependencies().values())

    async def _sample(self) -> None:
        clock = asyncio.get_running_loop()
        while True:
            due = clock.time() + SAMPLE_S
            await asyncio.sleep(SAMPLE_S)
            self._metrics.lag.observe(max(0.0, clock.time() - due))

    async def _look(self, dependency: str, check: Check) -> None:
        failures, pause_s = 0, FIRST_S
        while True:
            trying = asyncio.ensure_future(check())
            try:
                await asyncio.wait({trying}, timeout=CHECK_LIMIT_S)
                trouble = _trouble(trying)
                failures = failures + 1 if trouble else 0
                self._note(dependency, failures, trouble)
            finally:
                trying.cancel()
            await asyncio.wait({trying})  # never two at a time, even when it does not let itself be cancelled
            if self._up[dependency] or pause_s > FIRST_S:
                pause_s = RECHECK_S if trouble else CHECK_S
            await asyncio.sleep(pause_s)

    def _note(self, dependency: str, failures: int, trouble: str) -> None:
        if not trouble and not self._up[dependency]:
            self._log.info("dependency.up", dependency=dependency)
            self._up[dependency] = True
        elif failures >= PATIENCE and self._up[dependency]:
            self._log.warning("dependency.down", dependency=dependency, error=trouble)
            self._up[dependency] = False

    def _answer(self, path: str) -> Answer | None:
        match path:
            case "/metrics":
                self._refresh()
                return Answer(b"".join(map(generate_latest, self._registries)), CONTENT_TYPE_LATEST)
            case "/health/live":
                return _json(200, {"live": True})
            case "/health/ready":
                ready = self.ready()
                shown = {
                    "ready": ready,
                    "started": self._started,
                    "ending": self._ending,
                    "dependencies": self.dependencies(),
                }
                return _json(200 if ready else 503, shown)
            case _:
                return None

    def _refresh(self) -> None:
        self._metrics.ready.set(self.ready())
        for dependency, up in self.dependencies().items():
            self._metrics.up.labels(dependency).set(up)


def _trouble(trying: asyncio.Future[object]) -> str:
    """What is wrong; nothing when nothing is."""
    if not trying.done():
        return f"no answer within {CHECK_LIMIT_S:g} s"
    error = trying.exception()
    return repr(error) if error else ""


def _json(status: int, value: object) -> Answer:
    return Answer(msgspec.json.encode(value), "application/json", status)


def version() -> str:
    """Of the installed library, with which every service is released together."""
    return importlib.metadata.version("sps-common")


def commit() -> str:
    """The commit that was built, from `SPS_COMMIT`, which the image sets; else `unknown`."""
    return os.environ.get("SPS_COMMIT", "")[:40] or "unknown"
