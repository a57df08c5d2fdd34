"""`sps servers`: Kafka and PostgreSQL for a person who wants to look, until told to end."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from sps.runtime.errors import Trouble
from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.kafka_jars import java, kafka_jars
from sps_cli.servers.own_server import OwnServer
from sps_cli.servers.postgres import PostgresServer
from sps_cli.servers.postgres_binaries import postgres_binaries, unprivileged_user

GIVEN_KAFKA: Final = "SPS_TEST_KAFKA"
"""The address of somebody's own broker, for tests that need no other."""
GIVEN_POSTGRES: Final = "SPS_TEST_POSTGRES"
"""The URL of a database of somebody's own server, whose user may create databases."""
ADDRESSES: Final = "addresses.env"
LOOK_S: Final = 0.5
FAILED: Final = 1


def run(folder: Path, kafka_port: int, postgres_port: int) -> int:
    """Start both on this folder, say where they are, and stop them at Ctrl-C; the exit code.

    While they are ready there is a file `addresses.env` in the folder, for scripts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ADDRESSES).unlink(missing_ok=True)
    kafka = KafkaServer(folder / "kafka", port=kafka_port)
    postgres = PostgresServer(folder / "postgres", port=postgres_port)
    console = Console()
    try:
        return asyncio.run(_run(folder, kafka, postgres, console))
    except Trouble as trouble:
        console.print(str(trouble), style="red", markup=False)
        return FAILED


def fetch() -> int:
    """Fetch what the servers of tests need; the exit code. Nothing is needed where an address is given."""
    try:
        if not os.environ.get(GIVEN_KAFKA):
            java()
            print(f"kafka: {kafka_jars()}")
        if not os.environ.get(GIVEN_POSTGRES):
            unprivileged_user()
            print(f"postgres: {postgres_binaries()}")
    except Trouble as trouble:
        print(trouble)
        return FAILED
    return 0


async def _run(folder: Path, kafka: KafkaServer, postgres: PostgresServer, console: Console) -> int:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    servers: tuple[OwnServer, ...] = (postgres, kafka)
    try:
        for server in servers:
            console.print(f"  starting {server.name} …", style="dim")
            await _unless(ended, server.start())
        if not ended.is_set():
            _welcome(folder, kafka, postgres, console)
        return await _until(ended, servers, console)
    finally:
        (folder / ADDRESSES).unlink(missing_ok=True)
        console.print("stopping …", style="dim")
        for server in reversed(servers):
            await server.stop()


async def _unless(ended: asyncio.Event, doing: Coroutine[Any, Any, None]) -> None:
    """Do it, or leave it when told to end meanwhile."""
    task, told = asyncio.ensure_future(doing), asyncio.ensure_future(ended.wait())
    await asyncio.wait((task, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait((task,))
    return None


async def _until(ended: asyncio.Event, servers: tuple[OwnServer, ...], console: Console) -> int:
    while not ended.is_set():
        for server in servers:
            if not server.alive:
                console.print(f"[red]{server.name} ended by itself; see {server.log}[/red]")
                return FAILED
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await ended.wait()
    return 0


def _welcome(folder: Path, kafka: KafkaServer, postgres: PostgresServer, console: Console) -> None:
    (folder / ADDRESSES).write_text(f"KAFKA={kafka.address}\nPOSTGRES={postgres.url}\n")
    console.print("\n[bold green]ready[/bold green]. The platform on them, as one process per service:\n")
    url = postgres.url.replace("+asyncpg", "")
    command = f"  sps up --kafka {kafka.address} --postgres {url}\n"
    console.print(command, soft_wrap=True, highlight=False, markup=False)
    console.print(f"data and logs in {folder}; Ctrl-C stops both", style="dim")
