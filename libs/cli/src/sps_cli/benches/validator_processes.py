"""Four validators, each a process, on a given event log; and when each of them was done with what."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sps.runtime.errors import Trouble
from sps_cli.benches.process import cpu_s
from sps_cli.benches.watched_node import FOLDER_VARIABLE, NOTE, Done, times_file
from sps_cli.fleet import Fleet
from sps_cli.state_folder import Servers, StateFolder
from sps_cli.wiring import NODES, Backends

WATCHED: Final = dict.fromkeys(NODES, "sps_cli.benches.watched_node")
LOOK_S: Final = 0.01
PATIENCE_S: Final = 60.0


class Notes:
    """What one node notes, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._read = 0
        self.final_ns: Final[dict[int, int]] = {}
        """Height → when it was final there (wall clock)."""
        self.executed_ns: Final[dict[int, int]] = {}
        """Height → when it was executed there."""
        self.executed = 0

    def look(self) -> None:
        """Take what is new."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            raw = file.read()
        whole = len(raw) - len(raw) % NOTE.size
        self._read += whole
        for what, height, when_ns in NOTE.iter_unpack(raw[:whole]):
            if what == Done.FINAL:
                self.final_ns.setdefault(height, when_ns)
            else:
                self.executed_ns.setdefault(height, when_ns)
                self.executed = max(self.executed, height)


class ValidatorProcesses:
    """Started on a fresh folder; their keys and those of the producers lie in it."""

    def __init__(self, path: Path, event_log: str) -> None:
        self.folder: Final = StateFolder(path)
        self.folder.open(any_ports=True, servers=Servers(event_log))
        os.environ[FOLDER_VARIABLE] = str(self.folder.path)
        backends = Backends(event_log, self.folder.database)
        self._fleet: Final = Fleet(self.folder, backends, packages=WATCHED)
        self.notes: Final = [Notes(times_file(self.folder.path, name)) for name in NODES]

    async def start(self) -> None:
        """Return when all are ready."""
        await self._fleet.start(names=NODES)

    async def stop(self) -> None:
        """Ask them to end; kill what does not."""
        await self._fleet.stop(NODES)
        await self._fleet.close()
        self.folder.close()

    def cpu_s(self) -> float:
        """CPU seconds that all of them have used so far."""
        return sum(cpu_s(self._fleet.pid(name)) or 0.0 for name in NODES)

    def look(self) -> None:
        """Take what they have noted; raises `Trouble` when one has ended."""
        for name, notes in zip(NODES, self.notes, strict=True):
            if not self._fleet.alive(name):
                raise Trouble(f"{name} has ended: {self._fleet.tail(name)}")
            notes.look()

    @property
    def executed(self) -> int:
        """The height that all of them have executed, as of the last look."""
        return min(notes.executed for notes in self.notes)

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Look again and again until it holds; raises `Trouble` after a limit."""
        end = time.monotonic() + PATIENCE_S
        while True:
            self.look()
            if holds():
                return
            if time.monotonic() > end:
                raise Trouble(f"waited {PATIENCE_S:.0f} s in vain until {what}")
            await asyncio.sleep(LOOK_S)
