"""Servers for a bench: its own ones, started for it and gone afterwards, or those that are given."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sps.eventlog.kafka_topics import apply
from sps.runtime.errors import Refusal
from sps_cli.benches.process import family_cpu_s
from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.postgres import PostgresServer


@asynccontextmanager
async def kafka(folder: Path) -> AsyncIterator[KafkaServer]:
    """A broker, or the one at `SPS_TEST_KAFKA`."""
    server = KafkaServer(folder / "kafka", given=os.environ.get("SPS_TEST_KAFKA", ""))
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[PostgresServer]:
    """A PostgreSQL server, or the one at `SPS_TEST_POSTGRES`."""
    server = PostgresServer(folder / "postgres", given=os.environ.get("SPS_TEST_POSTGRES", ""))
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


async def event_log(server: KafkaServer) -> str:
    """The address of an event log on this broker that nobody else uses, with its topics."""
    address = f"kafka://{server.address}?prefix=bench{os.getpid()}."
    await apply(address, replication=1)
    return address


def server_cpu_s(server: KafkaServer | PostgresServer) -> float | None:
    """CPU seconds used so far by the server and all below it; None when it was given and is not ours."""
    try:
        return family_cpu_s(server.pid)
    except Refusal:
        return None
