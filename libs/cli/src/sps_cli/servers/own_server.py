"""What every server of our own can be told: start, stop, kill, pause, resume, restart."""

import asyncio
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Final

from sps.runtime.errors import Refusal, Trouble
from sps_cli.servers.child import POLL_S, Child
from sps_cli.servers.ports import is_free

START_S: Final = 90.0
"""On two cores that are busy with nine other processes; at rest it takes two or three seconds."""
GIVEN_S: Final = 10.0
"""For a server that somebody else started."""
STOP_S: Final = 20.0


class OwnServer(ABC):
    """A server with its data, its settings and its log in `folder`; ports and data outlive a restart.

    `given`: where somebody else's server is. Then nothing is started, and it cannot be ended or paused:
    Refusal `NOT_OURS`.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    still_there: ClassVar[tuple[str, ...]] = ()
    """What it says when processes of the server before it are still going away; then it is started again."""

    def __init__(self, folder: Path, given: str) -> None:
        self.folder = folder.absolute()
        self._given = given
        self._child: Child | None = None
        if not given:
            self.folder.mkdir(parents=True, exist_ok=True)

    @property
    @abstractmethod
    def address(self) -> str:
        """`HOST:PORT`."""

    @property
    def log(self) -> Path:
        """The file with what the server says."""
        return self.folder / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """The process runs, paused or not; a given server is taken to."""
        return bool(self._given) or (self._child is not None and self._child.alive)

    @property
    def pid(self) -> int:
        """The id of the server's process; Refusal `NOT_RUNNING`."""
        return self._ours().pid

    async def start(self) -> None:
        """Start it and return when it answers. Trouble, with the tail of its log, when it does not.

        Refusal `PORT_TAKEN`; and what is missing on this machine: `NO_JAVA`, `NO_MVN`, `NO_POSTGRES`.
        """
        if not self._given:
            await self._start_child()
        try:
            await self._until_it_answers()
        except BaseException:
            if self._child is not None:
                await self._child.kill()
            raise

    async def stop(self) -> None:
        """Let it end in order, within a limit; after that kill it. One that does not run is left alone."""
        if self._child is not None:
            await self._child.stop(self.stop_signal, STOP_S)

    async def kill(self) -> None:
        """SIGKILL, to it and its children."""
        await self._ours().kill()

    def pause(self) -> None:
        """SIGSTOP, to it and its children: connections stay open and nobody answers."""
        self._ours().pause()

    def resume(self) -> None:
        """SIGCONT."""
        self._ours().resume()

    async def restart(self) -> None:
        """Stop it if it runs, and start it on the same ports and data."""
        self._ours()
        await self.stop()
        await self.start()

    @abstractmethod
    async def answers(self) -> bool:
        """Tell whether it would serve a client now; within a few seconds."""

    @abstractmethod
    async def _prepare(self) -> Child:
        """Make the data and the settings, if they are not there, and the process that is to be started."""

    async def _start_child(self) -> None:
        if self.alive:
            return
        if not is_free(int(self.address.rpartition(":")[2])):
            raise Refusal("PORT_TAKEN", f"something else listens at {self.address} already")
        if self._child is None:
            self._child = await self._prepare()
        self._child.start()

    def _ours(self) -> Child:
        if self._given:
            raise Refusal(
                "NOT_OURS", f"{self.name} at {self.address} was given; it is not ours to end or pause"
            )
        if self._child is None:
            raise Refusal("NOT_RUNNING", f"{self.name} was not started")
        return self._child

    async def _until_it_answers(self) -> None:
        limit_s = GIVEN_S if self._given else START_S
        try:
            async with asyncio.timeout(limit_s):
                while not await self.answers():
                    self._again_if_it_ended()
                    await asyncio.sleep(POLL_S)
        except TimeoutError as late:
            raise Trouble(
                f"{self.name} at {self.address} did not answer within {limit_s:.0f} s:\n{self._tail()}"
            ) from late

    def _again_if_it_ended(self) -> None:
        if self.alive or self._child is None:
            return
        said = self._tail()
        if not any(words in said for words in self.still_there):
            raise Trouble(f"{self.name} ended at its start:\n{said}")
        self._child.start()

    def _tail(self) -> str:
        return self._child.tail() if self._child is not None else ""
