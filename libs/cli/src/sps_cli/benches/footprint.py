"""What a contract leaves behind and costs, from the offer to the paid payout: CPU, disks, answers to clients.

Nine processes on Kafka and PostgreSQL, one machine. Disks are weighed before and after the same number of
contracts, when all is quiet; a block that no contract asked for belongs to the contracts as well.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import httpx
from msgspec import Struct
from sqlalchemy import make_url

from sps_cli.benches.block_watch import QUIET_S, BlockWatch
from sps_cli.benches.crowd import Crowd, Deal
from sps_cli.benches.figures import Effort, Figure, Told
from sps_cli.benches.kafka_platform import CONNECTIONS, fleet_on
from sps_cli.benches.own_servers import kafka, postgres, server_cpu_s
from sps_cli.benches.process import family_cpu_s
from sps_cli.fleet import Fleet
from sps_cli.servers.kafka import KafkaServer
from sps_cli.servers.postgres import PostgresServer
from sps_cli.wiring import NODES, SANDBOX, SERVICES, database_name

PART: Final = "footprint"
SETTLED_S: Final = 2.0
"""Until what was written is on the disks; a validator keeps a block in its log for a tenth of a second."""


class Weight(Struct, frozen=True):
    """Totals so far: seconds of CPU, bytes, transactions executed."""

    at_s: float
    services_cpu_s: float
    nodes_cpu_s: float
    kafka_cpu_s: float
    postgres_cpu_s: float
    kafka_bytes: int
    postgres_bytes: int
    node_bytes: int
    answer_bytes: int
    transactions: int


async def measure(effort: Effort, told: Told) -> list[Figure]:
    """Some contracts to make the tables, then those that are weighed."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        told("starting Kafka, PostgreSQL and nine processes")
        async with (
            kafka(path) as broker,
            postgres(path) as database,
            fleet_on(path / "state", broker, database) as (fleet, _),
        ):
            scale = _Scale(path, fleet, broker, database)
            async with scale.client() as client, BlockWatch.on(fleet.folder) as watch:
                crowd = Crowd(fleet.folder, client)
                await crowd.register()
                await _whole_lives(crowd, watch, effort.of(10, 1))
                count = effort.of(100, 2)
                told(f"{count} contracts")
                before = await scale.weigh()
                await _whole_lives(crowd, watch, count)
                return _figures(before, await scale.weigh(), count)


async def _whole_lives(crowd: Crowd, watch: BlockWatch, count: int) -> None:
    """Contracts from the offer until the chain is silent after their payouts."""
    deals: list[Deal] = await crowd.on_the_way(count)
    await crowd.delivered_at_the_carrier(deals)
    for deal in deals:
        await crowd.tell(deal)
    for deal in deals:
        await crowd.released(deal, QUIET_S)
    await watch.quiet()
    await asyncio.sleep(SETTLED_S)


class _Scale:
    """Weighs one installation."""

    def __init__(self, path: Path, fleet: Fleet, broker: KafkaServer, database: PostgresServer) -> None:
        self._path: Final = path
        self._fleet: Final = fleet
        self._broker: Final = broker
        self._database: Final = database
        self._answered = 0

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the platform whose answers are counted, with their headers."""

        async def count(answer: httpx.Response) -> None:
            headers = sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
            self._answered += headers + len(await answer.aread())

        limits = httpx.Limits(max_connections=CONNECTIONS)
        async with httpx.AsyncClient(
            trust_env=False, limits=limits, event_hooks={"response": [count]}
        ) as client:
            yield client

    async def weigh(self) -> Weight:
        """All totals, as near to one moment as they can be had."""
        sizes, transactions = await self._postgres()
        return Weight(
            at_s=time.monotonic(),
            services_cpu_s=self._cpu_s(SERVICES),
            nodes_cpu_s=self._cpu_s(NODES),
            kafka_cpu_s=server_cpu_s(self._broker) or 0.0,
            postgres_cpu_s=server_cpu_s(self._database) or 0.0,
            kafka_bytes=_bytes((self._path / "kafka" / "data").rglob("sps.*/*.log"))
            + _bytes((self._path / "kafka" / "data").rglob("bench*/*.log")),
            postgres_bytes=sizes,
            node_bytes=_bytes((self._fleet.folder.path / "nodes").rglob("*")),
            answer_bytes=self._answered,
            transactions=transactions,
        )

    def _cpu_s(self, names: Iterable[str]) -> float:
        return sum(family_cpu_s(self._fleet.pid(name)) for name in names if name != SANDBOX)

    async def _postgres(self) -> tuple[int, int]:
        """Bytes of our databases, and transactions that the books have seen."""
        names = [database_name(service) for service in SERVICES]
        total = "SELECT sum(pg_database_size(datname)) FROM pg_database WHERE datname = ANY($1)"
        size = await self._asked("postgres", total, names)
        return size, await self._asked(database_name("settlement"), "SELECT count(*) FROM inbox")

    async def _asked(self, database: str, query: str, *values: object) -> int:
        url = make_url(self._database.url).set(drivername="postgresql", database=database)
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        try:
            return int(await connection.fetchval(query, *values))
        finally:
            await connection.close()


def _bytes(files: Iterable[Path]) -> int:
    """Sizes of files; what is replaced meanwhile does not count."""
    return sum(file.stat().st_size for file in files if file.is_file())


def _figures(before: Weight, after: Weight, count: int) -> list[Figure]:
    """Per contract; the nodes' disk is that of one node, Kafka's that of one copy."""
    transactions = after.transactions - before.transactions
    cpu = {
        "services": after.services_cpu_s - before.services_cpu_s,
        "four validators": after.nodes_cpu_s - before.nodes_cpu_s,
        "Kafka": after.kafka_cpu_s - before.kafka_cpu_s,
        "PostgreSQL": after.postgres_cpu_s - before.postgres_cpu_s,
    }
    size = {
        "Kafka, one copy": after.kafka_bytes - before.kafka_bytes,
        "PostgreSQL, one copy": after.postgres_bytes - before.postgres_bytes,
        "one validator": (after.node_bytes - before.node_bytes) / len(NODES),
    }
    answers = (after.answer_bytes - before.answer_bytes) / count
    return [
        Figure(PART, "transactions of a contract", round(transactions / count, 2), "", count),
        *(Figure(PART, f"CPU, {who}", round(1_000 * s / count, 2), "ms CPU/contract", count)
          for who, s in cpu.items()),
        *(Figure(PART, f"disk, {who}", round(each / count), "B/contract", count)
          for who, each in size.items()),
        Figure(PART, "answers to clients", round(answers), "B/contract", count),
    ]  # fmt: skip
