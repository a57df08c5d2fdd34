"""Services as real processes: `python -m contract_api` with the environment of a state folder."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx

from sps_cli.state_folder import StateFolder
from sps_cli.wiring import Wiring, backends_of, environment

PATIENCE_S: Final = 60.0
"""An interpreter takes seconds to come up on a busy machine."""
POLL_S: Final = 0.02
MODULES: Final = {
    "contract-api": "contract_api",
    "carrier-gateway": "carrier_gateway",
    "payment-gateway": "payment_gateway",
    "settlement": "settlement",
    "sandbox": "sandbox",
    **{f"node-{index}": "consensus_node" for index in range(4)},
}


class ServiceProcess:
    """One of them. What it prints is kept."""

    def __init__(self, module: str, variables: Mapping[str, str]) -> None:
        self.module = module
        self.variables = dict(variables)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: list[asyncio.Task[bytes]] = []
        self.out, self.err = "", ""

    async def start(self) -> None:
        quiet = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self.module,
            env={**quiet, "PYTHONWARNINGS": "default", **self.variables},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        streams = self._process.stdout, self._process.stderr
        self._reading = [asyncio.create_task(stream.read()) for stream in streams if stream is not None]

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def until_it_listens_to(self, number: signal.Signals) -> None:
        """The interpreter is up and our first line has run; before that a signal simply ends it."""
        assert self._process is not None
        async with asyncio.timeout(PATIENCE_S):
            while not _caught(self._process.pid) >> (number - 1) & 1:  # noqa: ASYNC110 there is no event for it
                await asyncio.sleep(POLL_S)

    async def ended(self) -> tuple[int, float]:
        """Wait for its end; exit code and seconds."""
        assert self._process is not None
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(PATIENCE_S):
            code = await self._process.wait()
        self.out, self.err = [(await task).decode() for task in self._reading]
        return code, loop.time() - began

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self.ended()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it logged; all of it is JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def monitor(self) -> str:
        prefix = self.module.upper()
        return f"http://127.0.0.1:{self.variables[f'{prefix}_MONITOR_PORT']}"

    async def get(self, path: str) -> httpx.Response | None:
        """The monitor's answer; None when nobody listens."""
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return await client.get(self.monitor + path)
            except httpx.TransportError:
                return None

    async def until(self, path: str, status: int) -> dict[str, Any]:
        """Ask until the answer has this status; what it says."""
        answer = None
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_S
        while answer is None or answer.status_code != status:
            assert loop.time() < end, answer and answer.text
            assert self._process is not None
            assert self._process.returncode is None, await self._last_words()
            await asyncio.sleep(POLL_S)
            answer = await self.get(path)
        return dict(answer.json())

    async def _last_words(self) -> str:
        await self.ended()
        return self.out + self.err


def _caught(pid: int) -> int:
    """The signals that a process handles, a bit for each."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))


def open_folder(path: Path) -> StateFolder:
    folder = StateFolder(path)
    folder.open(any_ports=True)
    return folder


def variables_of(folder: StateFolder, name: str, **changed: str) -> dict[str, str]:
    """The environment of one process of the folder, with some settings changed."""
    settings = Wiring(folder, backends_of(folder)).settings(name)
    prefix = MODULES[name].upper()
    return environment(settings) | {f"{prefix}_{key}".upper(): value for key, value in changed.items()}


@asynccontextmanager
async def service_process(
    folder: StateFolder, name: str, *, without: str = "", **changed: str
) -> AsyncIterator[ServiceProcess]:
    """Started, and killed at the end if it has not ended."""
    variables = variables_of(folder, name, **changed)
    variables.pop(without, None)
    process = ServiceProcess(MODULES[name], variables)
    await process.start()
    try:
        yield process
    finally:
        await process.kill()


def postgres_refusal(sqlstate: str, message: str) -> bytes:
    """What PostgreSQL answers to somebody whom it does not let in (protocol 3.0, ErrorResponse)."""
    fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


class Mute:
    """A server that accepts and says nothing, or always the same."""

    def __init__(self, answer: bytes = b"") -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self.met = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._talks:
            task.cancel()
        if self._talks:
            await asyncio.wait(self._talks)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talks.add(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met.set()
        try:
            while await reader.read(1024):
                writer.write(self._answer)
        finally:
            writer.close()
