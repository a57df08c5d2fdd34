"""The whole platform as a process of its own that can be killed, or in the test's process where steps can be named."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from settlement.adapters.books import BookReader
from sps.chain.proof import verify_proof
from sps.runtime.database import Database
from sps.runtime.probe import Probe, no_probe
from sps_cli.agreement import disagreements
from sps_cli.platform import Platform
from sps_cli.state_folder import VALIDATORS, StateFolder
from sps_cli.story import Places, Story, Tale
from sps_cli.wiring import backends_of

READY_S: Final = 30.0
STOP_S: Final = 5.0
AGREE_S: Final = 15.0
POLL_S: Final = 0.05


class Process:
    """`sps up` on a state folder; `words`: further ones of the command line."""

    def __init__(self, folder: Path, *words: str, ready_s: float = READY_S) -> None:
        self.folder = StateFolder(folder)
        self._words = words
        self._ready_s = ready_s
        self._process: asyncio.subprocess.Process | None = None
        self.output = b""

    async def start(self) -> float:
        """Start it and wait until it says that it is ready; returns the seconds that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sps_cli.main",
            "up",
            "--state",
            str(self.folder.path),
            "--any-ports",
            *self._words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(self._ready_s):
            await self._until(b"Open in a browser")
        return loop.time() - began

    async def kill(self) -> None:
        """SIGKILL: nothing can be tidied up."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> tuple[int, float]:
        """SIGINT, as Ctrl-C does; returns exit code and seconds."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        code = await self._end(signal.SIGINT)
        return code, loop.time() - began

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def resident_mb(self) -> float:
        """Megabytes of memory that the process holds now."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    async def _until(self, words: bytes) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        seen = b""
        while words not in seen:
            piece = await self._process.stdout.read(4096)
            assert piece, f"the platform ended: {seen.decode()[-3000:]}"
            seen += piece
        self.output = seen
        self._drain = asyncio.create_task(self._keep_reading(self._process.stdout))

    async def _keep_reading(self, stream: asyncio.StreamReader) -> None:
        while piece := await stream.read(65536):
            self.output = (self.output + piece)[-100_000:]

    async def _end(self, number: int) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
        async with asyncio.timeout(STOP_S + self._ready_s):
            code = await process.wait()
        await self._drain
        return code


@asynccontextmanager
async def process_with_story(path: Path, **tale: Any) -> AsyncIterator[tuple[Process, Story]]:
    """A fresh platform process and a story that can be told on it."""
    process = Process(path)
    await process.start()
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            yield process, Story(places(process.folder), Tale(path.name, **tale), client)
        finally:
            await process.kill()


@asynccontextmanager
async def platform_with_story(
    path: Path, probe: Probe = no_probe, *, trace_endpoint: str = "", **tale: Any
) -> AsyncIterator[tuple[Platform, StateFolder, Story]]:
    """The platform in this process, so that services can be stopped one by one and steps can be named."""
    folder = StateFolder(path)
    folder.open(any_ports=True)
    platform = Platform(folder, probe, trace_endpoint=trace_endpoint)
    try:
        await platform.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            yield platform, folder, Story(places(folder), Tale(path.name, **tale), client)
    finally:
        await platform.stop()
        folder.close()


def places(folder: StateFolder) -> Places:
    return Places(folder.url("api"), folder.url("sandbox"))


async def misbehave(story: Story, **how: Any) -> None:
    """Tell the sandbox to misbehave."""
    answer = await story._client.post(f"{story.places.sandbox}/control/misbehave", json=how)
    assert answer.is_success, answer.text


async def check_the_end(folder: StateFolder, story: Story) -> None:
    """What must hold after every story: exact books, one payout, one state on all validators, a proof that holds."""
    await eventually(lambda: _agreed(folder, story), AGREE_S)
    provider = await story.provider_books()
    mine = [each for each in provider["payouts"] if each["our_id"] == story.tale.payout]
    assert len(mine) == 1
    assert int(mine[0]["minor"]) == int(story.tale.to_cash_out)
    assert (
        len([each for each in provider["payments"] if int(each["minor"]) and each["state"] != "waiting"]) == 1
    )
    await eventually(lambda: _one_state(folder, story), AGREE_S)
    report = verify_proof(story.tale.proof, folder.genesis_path.read_bytes())
    assert report.accepted
    held = [each for each in report.amounts if each.currency == story.tale.currency]
    assert [(each.received, each.released, each.held) for each in held] == [
        (int(story.tale.price_minor), int(story.tale.price_minor), 0)
    ]


async def differences(folder: StateFolder, story: Story) -> list[str]:
    """Where our books and the providers' differ."""
    database = Database(backends_of(folder).database("settlement"))
    try:
        trial = await BookReader(database).trial_balance()
    finally:
        await database.stop()
    return disagreements(trial, await story.provider_books())


async def app_hashes(folder: StateFolder, story: Story) -> list[tuple[int, str]]:
    """(executed height, app hash) of every validator."""
    found = []
    for i in range(VALIDATORS):
        status = (await story._client.get(f"{folder.url(f'node-{i}')}/v1/status")).json()
        found.append((status["executed_height"], status["app_hash"]))
    return found


async def eventually(holds: Callable[[], Coroutine[Any, Any, Any]], limit_s: float) -> None:
    """Return when it returns nothing to complain about; fail with the last complaint."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    while complaint := await holds():
        assert loop.time() < end, complaint
        await asyncio.sleep(POLL_S)


async def _agreed(folder: StateFolder, story: Story) -> list[str]:
    return await differences(folder, story)


async def _one_state(folder: StateFolder, story: Story) -> str:
    hashes = await app_hashes(folder, story)
    return "" if len(set(hashes)) == 1 else f"the validators differ: {hashes}"
