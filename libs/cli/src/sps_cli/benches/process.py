"""`sps up` as a process: started, weighed and stopped as a user does it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from sps.runtime.errors import Trouble
from sps_cli.servers.child import children
from sps_cli.state_folder import StateFolder

READY_S: Final = 60.0
STOP_S: Final = 15.0
READY_WORDS: Final = b"Open in a browser"
OUTPUT_MAX: Final = 65_536
_RSS: Final = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)
KB_PER_MB: Final = 1_024


class UpProcess:
    """One run of `sps up --any-ports` on a state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = StateFolder(folder)
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self.output = b""
        self.ready = False

    async def start(self) -> float:
        """Start; returns the seconds until it says that it is ready."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sps_cli.main", "up", "--any-ports", "--state", str(self.folder.path),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.output, self.ready, told = b"", False, asyncio.Event()
        self._drain = asyncio.create_task(self._read(told))
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_S):
                await told.wait()
        if not self.ready:
            raise Trouble(f"the platform is not ready: {self.output[-2_000:].decode()}")
        return loop.time() - began

    async def stop(self) -> float:
        """SIGINT, as Ctrl-C; returns the seconds until the process has ended; harmless when none runs."""
        process, self._process = self._process, None
        if process is None:
            return 0.0
        loop = asyncio.get_running_loop()
        began = loop.time()
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._drain is not None:
            await self._drain
        return loop.time() - began

    def cpu_s(self) -> float | None:
        """CPU seconds that it has used so far; None where the kernel has no such table."""
        if self._process is None:
            raise Trouble("the platform does not run")
        return cpu_s(self._process.pid)

    def rss_mb(self) -> float:
        """Resident memory now."""
        if self._process is None:
            raise Trouble("the platform does not run")
        return resident_mb(self._process.pid)

    async def _read(self, told: asyncio.Event) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        while piece := await process.stdout.read(4_096):
            self.output = (self.output + piece)[-OUTPUT_MAX:]
            if READY_WORDS in self.output:
                self.ready = True
                told.set()
        told.set()


def cpu_s(pid: int) -> float | None:
    """CPU seconds, user and system, of a process so far; None where the kernel has no such table."""
    table = Path(f"/proc/{pid}/stat")
    if not table.exists():
        return None
    user, system = table.read_text().rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def family_cpu_s(pid: int) -> float:
    """CPU seconds of a process and all below it, also those that have ended; 0 where nobody can tell."""
    table = Path(f"/proc/{pid}/stat")
    if not table.exists():
        return 0.0
    ended = sum(map(int, table.read_text().rpartition(") ")[2].split()[13:15])) / os.sysconf("SC_CLK_TCK")
    return ended + (cpu_s(pid) or 0.0) + sum(map(family_cpu_s, children(pid)))


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB, from the kernel's table or from `ps`."""
    table = Path(f"/proc/{pid}/status")
    if table.exists():
        found = _RSS.search(table.read_text())
        if found:
            return int(found[1]) / KB_PER_MB
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True)  # noqa: S603,S607 the system's own ps
    return int(shown.stdout) / KB_PER_MB
