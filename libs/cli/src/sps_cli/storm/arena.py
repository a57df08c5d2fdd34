"""Where a storm takes place: servers, a fleet on them, and proxies on the ways that can be disturbed."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from sps_cli.fleet import Fleet
from sps_cli.provision import apply_topics, create_databases
from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.postgres import PostgresServer
from sps_cli.servers.proxy import Proxy
from sps_cli.state_folder import Servers, StateFolder
from sps_cli.story import Places
from sps_cli.wiring import SERVICES, Backends, on_servers

Server = Literal["kafka", "postgres"]
SERVERS: Final[tuple[Server, ...]] = ("kafka", "postgres")
BEHIND_KAFKA: Final = (*SERVICES, "node-3")
"""Who reaches Kafka through a proxy of its own; the other three validators are the quorum that stays."""


class Way(Struct, frozen=True):
    """From a process to a server."""

    process: str
    server: Server

    def __str__(self) -> str:
        return f"{self.process} ↔ {self.server}"


class Arena:
    """One installation with real servers, all of it on this machine and all of it ours to break."""

    def __init__(self, folder: Path) -> None:
        self._path: Final = folder
        self.kafka: Final = KafkaServer(folder / "kafka")
        self.postgres: Final = PostgresServer(folder / "postgres")
        self.ways: Final[dict[Way, Proxy]] = {
            Way(name, "kafka"): self.kafka.proxied() for name in BEHIND_KAFKA
        } | {Way(name, "postgres"): Proxy(self.postgres.address) for name in SERVICES}
        self.folder: Final = StateFolder(folder / "state")
        self.fleet: Fleet
        self._stack: Final = AsyncExitStack()

    @property
    def places(self) -> Places:
        """Where clients go."""
        return Places(self.folder.url("api"), self.folder.url("sandbox"))

    async def start(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Everything up and ready, or nothing."""
        try:
            await self._start(told)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, told: Callable[[str], None]) -> None:
        told("Kafka and PostgreSQL")
        for server in (self.kafka, self.postgres):
            self._stack.push_async_callback(server.stop)
        await asyncio.gather(self.kafka.start(), self.postgres.start())
        for proxy in self.ways.values():
            await proxy.start()
            self._stack.push_async_callback(proxy.stop)
        servers = Servers(f"kafka://{self.kafka.address}", self.postgres.url)
        self.folder.open(any_ports=True, servers=servers)
        self._stack.callback(self.folder.close)
        await create_databases(servers.postgres)
        await apply_topics(servers.event_log)
        self.fleet = Fleet(self.folder, on_servers(self.folder, servers), self._routes())
        self._stack.push_async_callback(self.fleet.close)
        await self.fleet.start(told)

    async def stop(self) -> None:
        """Kill what runs; nothing is left behind."""
        await self._stack.aclose()

    def _routes(self) -> dict[str, Backends]:
        return {name: self._route(name) for name in BEHIND_KAFKA}

    def _route(self, name: str) -> Backends:
        postgres = self.ways.get(Way(name, "postgres"))
        kafka = self.ways[Way(name, "kafka")]
        url = self.postgres.url
        if postgres is not None:
            url = url.replace(self.postgres.address, postgres.address)
        return on_servers(self.folder, Servers(f"kafka://{kafka.address}", url))
