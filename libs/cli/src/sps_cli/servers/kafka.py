"""A Kafka server of our own: one node (KRaft), without a container, on ports that stay its own."""

import asyncio
import base64
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

import aiokafka.errors
import msgspec
from aiokafka.client import AIOKafkaClient

from sps.runtime.errors import Refusal, Trouble
from sps_cli.servers.child import Child
from sps_cli.servers.kafka_jars import java, kafka_jars
from sps_cli.servers.kafka_settings import LOG4J, properties
from sps_cli.servers.own_server import OwnServer
from sps_cli.servers.ports import LOOPBACK, free_port
from sps_cli.servers.proxy import Proxy

__all__ = ["KafkaServer", "kafka_jars"]

ASK_S: Final = 3.0
FORMAT_S: Final = 60.0
JVM: Final = (
    *("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC"),
    "-XX:TieredStopAtLevel=1",  # it lives for minutes: it starts in half the time and needs less CPU
)


class Ports(msgspec.Struct, frozen=True):
    """The controller's port is part of the data: the quorum's voters are written down with it."""

    clients: int
    controller: int


class KafkaServer(OwnServer):
    """One node. Topics are not made by themselves. `given` is the address of somebody's own broker.

    `advertised_port`: the broker gets a further listener, `behind`, whose clients are sent on to this port of
    the loopback, where a `Proxy` listens that passes on to `behind`. `proxied()` makes both.
    """

    name: ClassVar[str] = "kafka"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        controller_port: int = 0,
        advertised_port: int = 0,
        given: str = "",
    ) -> None:
        super().__init__(folder, given)
        self._ports = Ports(port, controller_port) if given else self._kept_ports(port, controller_port)
        self._advertised: dict[int, int] = {}
        self.behind = self._listener(advertised_port) if advertised_port else ""

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`, for the bootstrap servers of a client."""
        return self._given or f"{LOOPBACK}:{self._ports.clients}"

    def proxied(self) -> Proxy:
        """A proxy in front of a listener of its own, to be asked for before `start`; the caller starts it.

        Clients of the proxy stay with the proxy, all others see nothing of its weather. Refusal
        `TOO_LATE_FOR_A_PROXY`.
        """
        port = free_port()
        return Proxy(self._listener(port), port=port)

    async def answers(self) -> bool:
        """Tell whether the broker answers and knows a broker that clients may use."""
        host, _, port = self.address.split(",", 1)[0].rpartition(":")
        try:
            async with asyncio.timeout(ASK_S):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                return await _has_brokers(self.address)
        except (OSError, TimeoutError, aiokafka.errors.KafkaError):
            return False

    def _listener(self, advertised_port: int) -> str:
        if self._given or self._child is not None:
            raise Refusal(
                "TOO_LATE_FOR_A_PROXY", "a broker of our own learns of its listeners at its first start"
            )
        own = free_port()
        self._advertised[own] = advertised_port
        return f"{LOOPBACK}:{own}"

    def _kept_ports(self, port: int, controller_port: int) -> Ports:
        path, kept = self.folder / "ports.json", Ports(0, 0)
        with suppress(FileNotFoundError):
            kept = msgspec.json.decode(path.read_bytes(), type=Ports)
        ports = Ports(port or kept.clients or free_port(), controller_port or kept.controller or free_port())
        path.write_bytes(msgspec.json.encode(ports))
        return ports

    async def _prepare(self) -> Child:
        java()
        jars = await asyncio.to_thread(kafka_jars)
        settings, data = self.folder / "server.properties", self.folder / "data"
        ports = self._ports
        settings.write_text(properties(data, ports.clients, ports.controller, self._advertised))
        (self.folder / "log4j2.properties").write_text(LOG4J)
        if not (data / "meta.properties").exists():
            await asyncio.to_thread(self._format, jars, settings)
        return Child(self._java(jars, "kafka.Kafka", settings), self.log)

    def _format(self, jars: Path, settings: Path) -> None:
        cluster = base64.urlsafe_b64encode(b"sps" + os.urandom(13)).decode().rstrip("=")
        words = ("format", "--standalone", "--cluster-id", cluster, "--config", settings)
        done = subprocess.run(  # noqa: S603 our own words
            self._java(jars, "kafka.tools.StorageTool", *words),
            capture_output=True,
            text=True,
            timeout=FORMAT_S,
            check=False,
        )
        if done.returncode:
            raise Trouble(f"the folder of kafka could not be formatted:\n{done.stdout}{done.stderr}")

    def _java(self, jars: Path, main: str, *words: str | Path) -> list[str]:
        log4j = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return [java(), *JVM, log4j, "-cp", f"{jars}/*", main, *map(str, words)]


async def _has_brokers(address: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=address)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    finally:
        await client.close()
