"""Every validator, every service and the sandbox as an operating system's process of its own.

Each is started with `python -m <package>` and the environment that `wiring.py` makes; what it prints goes to
`logs/<name>.log` of the state folder. A fleet starts and stops, kills and pauses; who raises the fallen again
is `fleet_keeper.py`.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
from msgspec import Struct

from sps.runtime.errors import Trouble
from sps_cli.state_folder import StateFolder
from sps_cli.wiring import ALL, NODES, PORT_OF, Backends, Wiring, environment

READY_S: Final = 90.0
"""Nine interpreters start at once; on two busy processors that is not quick."""
POLL_S: Final = 0.1
PROBE_S: Final = 2.0
STOP_S: Final = 28.0
"""The grace period of a process is 25 s; who needs longer is killed, and the stop was not good."""
KILLED_S: Final = 5.0
LOG_BYTES_MAX: Final = 64 * 1024 * 1024
"""A log that is longer at a start is moved to `<name>.log.1`."""
TAIL_BYTES: Final = 3_000
PACKAGES: Final = {
    "contract-api": "contract_api",
    "carrier-gateway": "carrier_gateway",
    "payment-gateway": "payment_gateway",
    "settlement": "settlement",
    "sandbox": "sandbox",
} | dict.fromkeys(NODES, "consensus_node")


class NotReady(Trouble):
    """A process ended or did not become ready in time; the message holds the end of its log."""


class Ended(Struct, frozen=True):
    """How a process was stopped."""

    code: int
    """Its exit code; negative: the signal that ended it."""
    seconds: float

    @property
    def well(self) -> bool:
        return self.code == 0

    @property
    def how(self) -> str:
        """In words."""
        return how_ended(self.code)


class Fleet:
    """The processes of one installation; `folder` is open for as long as it lives.

    `packages`: what is run as each process, for those who want to watch one from within.
    """

    def __init__(
        self,
        folder: StateFolder,
        backends: Backends,
        routes: Mapping[str, Backends] | None = None,
        packages: Mapping[str, str] = PACKAGES,
        trace_endpoint: str = "",
    ) -> None:
        self.folder: Final = folder
        self.wiring: Final = Wiring(folder, backends, routes, trace_endpoint)
        self._packages: Final = packages
        self._running: Final[dict[str, asyncio.subprocess.Process]] = {}
        self._paused: Final[set[str]] = set()
        self._told_to_end: Final[set[str]] = set()
        self._client: Final = httpx.AsyncClient(trust_env=False, timeout=PROBE_S)

    async def start(self, told: Callable[[str], None] = lambda _: None, names: Sequence[str] = ALL) -> None:
        """Start all at once and return when all are ready; raises `NotReady`."""
        for name in names:
            await self.start_one(name)
        told(f"{len(names)} processes are started; logs are in {self.log_path('').parent}")

        async def seen(name: str) -> None:
            took = await self.ready(name, READY_S)
            told(f"{name} is ready after {took:.1f} s")

        try:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(seen(name))
        except* NotReady as several:
            raise several.exceptions[0] from None

    async def start_one(self, name: str, **changes: object) -> None:
        """Start one process, with other settings than usual if some are named; it is ready seconds later."""
        if self.alive(name):
            raise ValueError(f"{name} runs already")
        self._told_to_end.discard(name)
        settings = self.wiring.settings(name).model_copy(update=changes)
        variables = foreign_environment() | environment(settings)
        with self._log_file(name).open("ab") as output:
            self._running[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sps_cli.child",
                self._packages[name],
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=variables,
                start_new_session=True,  # Ctrl-C is for us; we tell them
            )

    async def stop_one(self, name: str, limit_s: float = STOP_S) -> Ended:
        """SIGTERM, and SIGKILL after the limit."""
        process = self._running[name]
        self._told_to_end.add(name)
        began = time.monotonic()
        self._signal(name, signal.SIGTERM)
        self.resume(name)
        try:
            async with asyncio.timeout(limit_s):
                await process.wait()
        except TimeoutError:
            self._signal(name, signal.SIGKILL)
        await self._gone(name)
        return Ended(process.returncode if process.returncode is not None else -1, time.monotonic() - began)

    async def stop(self, names: Sequence[str] = ALL) -> dict[str, Ended]:
        """Stop all of them at the same time; how each ended."""
        alive = [name for name in names if self.alive(name)]
        ended = await asyncio.gather(*(self.stop_one(name) for name in alive))
        return dict(zip(alive, ended, strict=True))

    async def close(self) -> None:
        """Kill what still runs."""
        for name in list(self._running):
            await self.kill(name)
        await self._client.aclose()

    async def kill(self, name: str) -> None:
        """SIGKILL: nothing can be tidied up."""
        self._told_to_end.add(name)
        self._signal(name, signal.SIGKILL)
        await self._gone(name)

    def pause(self, name: str) -> None:
        """SIGSTOP: it stands still and keeps its connections and its locks."""
        self._signal(name, signal.SIGSTOP)
        self._paused.add(name)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self._signal(name, signal.SIGCONT)
        self._paused.discard(name)

    def alive(self, name: str) -> bool:
        """It was started and has not ended; a paused one is alive."""
        process = self._running.get(name)
        return process is not None and process.returncode is None

    def fallen(self) -> dict[str, int]:
        """Those that were started and ended without having been told to, with their exit codes."""
        return {
            name: process.returncode
            for name, process in self._running.items()
            if process.returncode is not None and name not in self._told_to_end
        }

    def paused(self, name: str) -> bool:
        """It stands still."""
        return name in self._paused

    async def ended(self, name: str) -> int:
        """Wait until it has ended; its exit code."""
        return await self._running[name].wait()

    def pid(self, name: str) -> int:
        return self._running[name].pid

    async def ready(self, name: str, limit_s: float) -> float:
        """Wait until its monitor says that it is ready; the seconds that took. Raises `NotReady`."""
        began = time.monotonic()
        while not await self.is_ready(name):
            if not self.alive(name):
                raise NotReady(f"{name} has ended: {self.tail(name)}")
            if time.monotonic() - began > limit_s:
                raise NotReady(f"{name} is not ready after {limit_s:.0f} s: {self.tail(name)}")
            await asyncio.sleep(POLL_S)
        return time.monotonic() - began

    async def is_ready(self, name: str) -> bool:
        """What its monitor says now."""
        try:
            answer = await self._client.get(f"{self.monitor(name)}/health/ready")
        except httpx.TransportError:
            return False
        return answer.is_success

    def monitor(self, name: str) -> str:
        """The base URL of its metrics and health."""
        return self.folder.url(f"{PORT_OF[name]}.monitor")

    def log_path(self, name: str) -> Path:
        return self.folder.path / "logs" / f"{name}.log"

    def tail(self, name: str) -> str:
        """The end of what it printed."""
        try:
            with self.log_path(name).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _log_file(self, name: str) -> Path:
        path = self.log_path(name)
        path.parent.mkdir(exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            path.replace(path.with_name(f"{path.name}.1"))
        return path

    async def _gone(self, name: str) -> None:
        process = self._running[name]
        with suppress(TimeoutError):
            async with asyncio.timeout(KILLED_S):
                await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        self._paused.discard(name)

    def _signal(self, name: str, number: signal.Signals) -> None:
        if self.alive(name):
            with suppress(ProcessLookupError):
                self._running[name].send_signal(number)


def how_ended(code: int) -> str:
    """An exit code in words; negative codes are signals."""
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def foreign_environment() -> dict[str, str]:
    """Ours without any variable that a service would take for a setting of its own."""
    prefixes = tuple({f"{package.upper()}_" for package in PACKAGES.values()})
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(prefixes)}
