"""A service's place at the chain: its identity, its database, what it says there and how it follows.

Every service that takes part is put together from these parts in the same way; what it does with blocks is
its projection. An unknown key, or the database of another chain, is refused before anything runs.
"""

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from sps.chain.genesis import Genesis, Producer, Role, chain_id, genesis_bytes, load_genesis
from sps.eventlog.port import EventLog
from sps.runtime.clock import Clock
from sps.runtime.database import Database
from sps.runtime.errors import Refusal
from sps.runtime.follower import Follower, Projection
from sps.runtime.keys import load_signer
from sps.runtime.lifecycle import Supervisor
from sps.runtime.metrics import FollowerMetrics, OutboxMetrics
from sps.runtime.outbox import BatchRelay, TransactionOutbox
from sps.runtime.peers import BlockSource, Peers
from sps.runtime.probe import Probe, no_probe
from sps.runtime.settings import ServiceSettings
from sps.signing import Signer


class WrongKey(Refusal):
    """The key file is not the key that the genesis document names for this service."""


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
        self.genesis: Final[Genesis] = load_genesis(settings.genesis.read_bytes())
        self.chain_id: Final = chain_id(genesis_bytes(self.genesis))
        producer = producer_of(self.genesis, role)
        self.signer: Final[Signer] = signer_of(producer, settings.key)
        self.database: Final = Database(settings.database_url)
        self.outbox: Final = TransactionOutbox(producer.id, clock)
        self.supervisor: Final = Supervisor(name, registry)
        self._name: Final = name
        self._log: Final = log
        self._clock: Final = clock
        self._registry: Final = registry
        self._probe: Final = probe
        self._peers: Final = peers or (Peers(settings.peers) if settings.peers is not None else None)

    def follow(self, projection: Projection) -> Follower:
        """Say what blocks mean to this service; once, before `start`."""
        self.follower = Follower(
            self.genesis,
            self._log,
            self.database,
            self._name,
            projection,
            self.outbox,
            self._peers,
            metrics=FollowerMetrics(self._registry),
            probe=self._probe,
        )
        self.relay = BatchRelay(
            chain_id=self.chain_id,
            signer=self.signer,
            outbox=self.outbox,
            database=self.database,
            log=self._log,
            caught_up=self.follower.caught_up,
            clock=self._clock,
            metrics=OutboxMetrics(self._registry),
            probe=self._probe,
        )
        return self.follower

    async def start(self) -> None:
        """Go again over the chain up to the stored height, then follow and relay in the background."""
        await self.follower.start(self.supervisor)
        self.relay.start(self.supervisor)

    async def stop(self) -> None:
        """Stop all loops and close the connections; within the bounds of each."""
        await self.supervisor.stop()
        await self.follower.stop()
        await self.database.stop()

    async def failed(self) -> None:
        """Return when a background loop has met a defect."""
        await self.supervisor.failed()

    def dependencies(self) -> dict[str, bool]:
        """For the readiness probe."""
        return {"loops": self.supervisor.ready(), "chain": self.follower.ready()}

    def ready(self) -> bool:
        """No loop in lasting trouble, and near the end of the chain."""
        return all(self.dependencies().values())


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
    signer = load_signer(key)
    if signer.public_key != producer.key:
        raise WrongKey("WRONG_KEY", f"{key} is not the key of {producer.name} in the genesis document")
    return signer
