"""A service's place at the chain: its identity, its database, what it says there and how it follows.

Every service that takes part is put together from these parts in the same way; what it does with blocks is
its projection. An unknown key, or the database of another chain, is refused before anything runs.
"""

from pathlib import Path
from typing import Final

from alembic.util import CommandError
from prometheus_client import CollectorRegistry

from sps.chain.genesis import Genesis, Producer, Role, chain_id, genesis_bytes
from sps.eventlog.port import EventLog
from sps.runtime.batch_tracing import BatchTracing
from sps.runtime.chain_tracing import ChainTracing
from sps.runtime.checks import reachable
from sps.runtime.clock import Clock
from sps.runtime.database import Database
from sps.runtime.errors import Refusal, Trouble
from sps.runtime.follower import Follower, Projection
from sps.runtime.genesis_file import genesis_of
from sps.runtime.keys import load_seed
from sps.runtime.lifecycle import Supervisor, stop_all
from sps.runtime.metrics import DatabaseMetrics, FollowerMetrics, OutboxMetrics, TraceMetrics
from sps.runtime.migrations import current_revision, upgrade
from sps.runtime.monitor import Monitor
from sps.runtime.outbox import BatchRelay, TransactionOutbox
from sps.runtime.outbox_facts import oldest_unconfirmed_ms
from sps.runtime.peers import BlockSource, Peers
from sps.runtime.probe import Probe, no_probe
from sps.runtime.settings import ServiceSettings
from sps.runtime.surveys import Surveys
from sps.runtime.tracing import tracer_of
from sps.signing import Signer
from sps.tracing.span import Tracer

MS_PER_S: Final = 1_000
REFUSING: Final = ("28", "3D", "42501")
"""SQLSTATE of a wrong user or password, of a database that does not exist, and of a missing privilege."""


class WrongKey(Refusal):
    """The key file is not the key that the genesis document names for this service."""


class DatabaseRefusesUs(Refusal):
    """The server is there and does not let us in, or not to this database, or not to make tables."""


class UnknownSchema(Refusal):
    """The database was brought to a revision that this program does not know: it is older than its tables."""


class ChainMember:
    """Build it, give it a projection with `follow`, then `start` and `stop` it with the service."""

    follower: Follower
    relay: BatchRelay

    def __init__(
        self,
        settings: ServiceSettings,
        role: Role,
        name: str,
        *,
        log: EventLog,
        clock: Clock,
        registry: CollectorRegistry,
        probe: Probe = no_probe,
        peers: BlockSource | None = None,
    ) -> None:
        self.genesis: Final[Genesis] = genesis_of(settings.genesis)
        self.chain_id: Final = chain_id(genesis_bytes(self.genesis))
        producer = producer_of(self.genesis, role)
        self.signer: Final[Signer] = signer_of(producer, settings.key)
        self.database: Final = Database(settings.database_url, settings.database_limits())
        self.outbox: Final = TransactionOutbox(producer.id, clock)
        self.supervisor: Final = Supervisor(name, registry)
        self._name: Final = name
        self._log: Final = log
        self._clock: Final = clock
        self._registry: Final = registry
        self._probe: Final = probe
        self._peers: Final = peers or (Peers(settings.peers) if settings.peers is not None else None)
        self._outgoing: Final = OutboxMetrics(registry)
        self._outgoing.measure_age(self._oldest_fact_s)
        self._oldest_fact_ms: int | None = None
        self._migrated = False
        self.tracer: Final[Tracer] = tracer_of(settings, name, TraceMetrics(registry))
        self.tracing: Final = ChainTracing(self.tracer, name) if self.tracer.on else None
        self._tables: Final = DatabaseMetrics(registry)
        self._tables.watch(self.database.pool_status)
        self._probe_time: Final = self._tables.queries.labels("probe")
        self.surveys: Final = Surveys(name, self.supervisor, registry, clock)
        self.monitor: Final = Monitor(
            name,
            registry,
            self.dependencies,
            settings.monitor_host,
            settings.monitor_port,
            checks={"database": self._look, "event_log": reachable(log)},
        )

    def follow(self, projection: Projection) -> Follower:
        """Say what blocks mean to this service; once, before `start`."""
        progress = FollowerMetrics(self._registry)
        self.follower = Follower(
            self.genesis,
            self._log,
            self.database,
            self._name,
            projection,
            self.outbox,
            self._peers,
            metrics=progress,
            tracing=self.tracing,
            probe=self._probe,
        )
        progress.measure_age(lambda: (self._clock.now_ms() - self.follower.state.time_ms) / MS_PER_S)
        self.relay = BatchRelay(
            chain_id=self.chain_id,
            signer=self.signer,
            outbox=self.outbox,
            database=self.database,
            log=self._log,
            caught_up=self.follower.caught_up,
            clock=self._clock,
            metrics=self._outgoing,
            tracing=BatchTracing(self.tracing) if self.tracing else None,
            probe=self._probe,
        )
        return self.follower

    async def migrate(self, package: str) -> None:
        """Bring the database up to the newest revision of the package. Before `start`."""
        self._tables.revision(await migrated(self.database.url, package))
        self._migrated = True

    async def start(self) -> None:
        """Go again over the chain up to the stored height, then follow and relay in the background."""
        await self.follower.start(self.supervisor)
        self.relay.start(self.supervisor)

    async def stop(self) -> None:
        """Stop all loops and close the connections; within the bounds of each. The monitor goes on."""
        await stop_all(
            ("loops", self.supervisor.stop),
            ("peers", self.follower.stop),
            ("database", self.database.stop),
            ("tracer", self.tracer.stop),
        )

    async def failed(self) -> None:
        """Return when a background loop has met a defect."""
        await self.supervisor.failed()

    async def _look(self) -> None:
        """Whether the database answers, by a question whose answer is wanted as well.

        Nobody asks while it is migrated: two that open a new SQLite file at once lock each other out.
        """
        if not self._migrated:
            raise Trouble("the tables are not brought up yet")
        with self._probe_time.time():
            async with self.database.reading() as connection:
                self._oldest_fact_ms = await oldest_unconfirmed_ms(connection)

    def _oldest_fact_s(self) -> float:
        oldest = self._oldest_fact_ms
        return 0.0 if oldest is None else max(0, self._clock.now_ms() - oldest) / MS_PER_S

    def dependencies(self) -> dict[str, bool]:
        """For the readiness probe."""
        return {"loops": self.supervisor.ready(), "chain": self.follower.ready()}

    def ready(self) -> bool:
        """No loop in lasting trouble, and near the end of the chain."""
        return all(self.dependencies().values())


async def migrated(url: str, package: str) -> str:
    """Bring a database up to the newest revision of the package; the revision.

    Raises `UnknownSchema` when a newer program has been here, `DatabaseRefusesUs` for a wrong password and
    the like, trouble when the database cannot be reached.
    """
    try:
        await upgrade(url, package)
        return await current_revision(url) or ""
    except CommandError as error:
        raise UnknownSchema("SCHEMA_UNKNOWN", f"the database of {package}: {error}") from error
    except Exception as error:
        cause = getattr(error, "orig", error)
        if str(getattr(cause, "sqlstate", "")).startswith(REFUSING):
            raise DatabaseRefusesUs("DATABASE_REFUSED", f"the database of {package}: {cause}") from error
        raise


def producer_of(genesis: Genesis, role: Role) -> Producer:
    """The one producer with this role."""
    known = [producer for producer in genesis.producers if producer.role == role]
    if len(known) != 1:
        raise WrongKey(
            "NO_PRODUCER", f"the genesis document names {len(known)} producers with the role {role}, not one"
        )
    return known[0]


def signer_of(producer: Producer, key: Path) -> Signer:
    """The producer's signer; with another key nobody would take our batches."""
    signer = Signer(load_seed(key))
    if signer.public_key != producer.key:
        raise WrongKey("WRONG_KEY", f"{key} is not the key of {producer.name} in the genesis document")
    return signer
