"""The platform as in production: nine processes on Apache Kafka and PostgreSQL (fsync on), one machine."""

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from sps_cli.benches.crowd import Crowd
from sps_cli.benches.delivery_load import DeliveryLoad, counts
from sps_cli.benches.figures import Effort, Figure, Told
from sps_cli.benches.own_servers import event_log, kafka, postgres, server_cpu_s
from sps_cli.benches.process import family_cpu_s, resident_mb
from sps_cli.fleet import Fleet
from sps_cli.provision import create_databases, refuse_databases
from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.postgres import PostgresServer
from sps_cli.state_folder import Servers, StateFolder
from sps_cli.wiring import ALL, SERVICES, backends_of, database_name

PART: Final = "kafka-platform"
HALF_LOAD: Final = 0.8
"""Processors that the deliveries keep busy at half load; with the opened contracts half of two."""
CONNECTIONS: Final = 64


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """Servers, processes, then deliveries at rest and at half load."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        told("starting Kafka and PostgreSQL")
        async with kafka(path) as broker, postgres(path) as database:
            told("starting nine processes")
            async with fleet_on(path / "state", broker, database) as (fleet, took_s):
                figures = [Figure(PART, "nine processes started, all ready", round(took_s, 2), "s", 1)]
                return figures + await _deliveries(_Weighed(fleet, broker, database), effort, told)


@asynccontextmanager
async def fleet_on(
    path: Path, broker: KafkaServer, database: PostgresServer
) -> AsyncIterator[tuple[Fleet, float]]:
    """Nine processes on these servers, and the seconds until all were ready; nothing is left behind."""
    folder, servers = StateFolder(path), Servers(await event_log(broker), database.url)
    await refuse_databases(servers.postgres)
    folder.open(any_ports=True, servers=servers)
    fleet = Fleet(folder, backends_of(folder))
    try:
        await create_databases(servers.postgres)
        began = time.monotonic()
        await fleet.start()
        yield fleet, time.monotonic() - began
        await fleet.stop()
    finally:
        await fleet.close()
        for service in SERVICES:
            await database.drop_database(database_name(service))
        folder.close()


class _Weighed:
    """CPU time and memory of all processes; the servers' too, where they are ours."""

    def __init__(self, fleet: Fleet, broker: KafkaServer, database: PostgresServer) -> None:
        self.fleet: Final = fleet
        self._servers: Final = (broker, database)

    @property
    def who(self) -> str:
        ours = all(server_cpu_s(server) is not None for server in self._servers)
        return "nine processes and both servers" if ours else "nine processes"

    def cpu_s(self) -> float:
        processes = sum(family_cpu_s(self.fleet.pid(name)) for name in ALL)
        return processes + sum(server_cpu_s(server) or 0.0 for server in self._servers)

    def memory(self, when: str) -> Figure:
        total = sum(resident_mb(self.fleet.pid(name)) for name in ALL)
        return Figure(PART, f"resident memory of the nine processes {when}", round(total, 1), "MB", len(ALL))


async def _deliveries(weighed: _Weighed, effort: Effort, told: Told) -> list[Figure]:
    folder, figures = weighed.fleet.folder, [weighed.memory("after start")]
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(trust_env=False, limits=limits) as client:
        crowd = Crowd(folder, client)
        await crowd.register()
        told(f"{sum(counts(effort))} contracts on their way")
        ready = await crowd.on_the_way(sum(counts(effort)))
        await crowd.delivered_at_the_carrier(ready)
        load = DeliveryLoad(PART, folder, weighed.cpu_s, weighed.who, HALF_LOAD)
        figures += await load.measure(crowd, ready, effort, told)
    return [*figures, weighed.memory("after the deliveries")]
