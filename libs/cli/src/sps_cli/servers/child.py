"""A server process of ours: it can be ended, killed, paused and resumed, and it dies with its parent.

Nothing here belongs to an event loop, so a server that was started in one may be stopped in another.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sps.runtime.errors import Refusal, Trouble

POLL_S: Final = 0.02
KILLED_S: Final = 10.0
"""How long the kernel may take to clear away a process that was killed."""
TAIL_BYTES: Final = 4_000


class Child:
    """A process with its own group; its output is appended to a log file.

    `user`: run it as this user (only root can). It still reaches folders that root reaches, since a test's
    folder lies below folders of mode 0700.
    """

    def __init__(self, command: Sequence[str], log: Path, user: str = "") -> None:
        self._command = [*launcher(user), *command]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._paused: tuple[int, ...] = ()
        self._said_before = 0

    @property
    def alive(self) -> bool:
        """It was started and has not ended; a paused one is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id; Refusal `NOT_RUNNING` when it is not running."""
        if self._process is None or self._process.poll() is not None:
            raise Refusal("NOT_RUNNING", f"{self._log.stem} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it; a process that runs is left alone."""
        if self.alive:
            return
        with self._log.open("ab") as log:
            self._said_before = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 our own words
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._log.parent,
            )

    async def stop(self, number: signal.Signals, limit_s: float) -> bool:
        """Ask it to end; tell whether it did within the limit. Otherwise it was killed."""
        process = self._process
        if process is None or process.poll() is not None:
            return True
        self.resume()
        signal_quietly(process.pid, number)
        ended = await _until_ended(process, limit_s)
        await self.kill()
        return ended

    async def kill(self) -> None:
        """SIGKILL, to it and all its children: nothing can be tidied up."""
        process, self._process = self._process, None
        if process is None:
            return
        family = () if process.poll() is not None else freeze(process.pid)
        self._paused = ()
        for pid in family:
            signal_quietly(pid, signal.SIGKILL)
        await _until_ended(process, KILLED_S)
        if process.poll() is None:
            raise Trouble(f"{self._log.stem} is still there {KILLED_S:.0f} s after SIGKILL")

    def pause(self) -> None:
        """SIGSTOP, to it and all its children: connections stay open and nobody answers."""
        self._paused = freeze(self.pid)

    def resume(self) -> None:
        """SIGCONT to those who were paused; youngest first, so that nobody misses a child."""
        paused, self._paused = self._paused, ()
        for pid in reversed(paused):
            signal_quietly(pid, signal.SIGCONT)

    def tail(self) -> str:
        """The end of what it said since its last start, for the message of an error."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(self._said_before, self._log.stat().st_size - TAIL_BYTES))
            return log.read().decode(errors="replace")
        return ""


def launcher(user: str = "") -> list[str]:
    """The words before a command that let it die with its parent, and run it as another user.

    `setpriv` is part of Debian's essential `util-linux`. Without it (another system) the process outlives a
    parent that is killed. The kernel means the parent's thread: start servers in one that stays.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    dies = ("--pdeathsig", "KILL", "--")
    unless_orphaned = ("sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid()))
    if not user:
        return [setpriv, *dies, *unless_orphaned]
    group, capability = str(pwd.getpwnam(user).pw_gid), "+dac_override"
    become = ("--reuid", user, "--regid", group, "--clear-groups")
    reach = ("--inh-caps", capability, "--ambient-caps", capability)
    return [setpriv, *become, *reach, *dies, *unless_orphaned]


def freeze(pid: int) -> tuple[int, ...]:
    """Stop a process and all below it; parents first, so that no child is born meanwhile."""
    signal_quietly(pid, signal.SIGSTOP)
    return (pid, *(each for child in children(pid) for each in freeze(child)))


def children(pid: int) -> list[int]:
    """The children of a process, from /proc; empty where there is no /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)


def signal_quietly(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def _until_ended(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    while process.poll() is None:
        if loop.time() > end:
            return False
        await asyncio.sleep(POLL_S)
    return True
