"""Builds a consensus node by hand, in order. Nothing runs before `Node.start`."""

import fcntl
import os
from pathlib import Path
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry

from consensus_node.adapters.batch_store import BatchStore
from consensus_node.adapters.block_store import BlockStore
from consensus_node.adapters.disk import DiskThread
from consensus_node.adapters.offsets import Offsets
from consensus_node.adapters.peers import HttpPeers
from consensus_node.adapters.publisher import Publisher
from consensus_node.adapters.wal import NoLog, Wal
from consensus_node.application.driver import Driver
from consensus_node.application.executor import Executor
from consensus_node.application.fetching import Fetcher
from consensus_node.application.identity import Identity
from consensus_node.application.inbox import Inbox, SteadyClock
from consensus_node.application.intake import Intake
from consensus_node.application.listening import Listening
from consensus_node.application.machine import ContractMachine
from consensus_node.application.node import Node
from consensus_node.application.node_tracing import NodeTracing
from consensus_node.application.ports import StateMachine
from consensus_node.core.config import ReplicaConfig
from consensus_node.core.durable import Record
from consensus_node.core.replica import Replica
from consensus_node.entrypoints.consumers import Consumers
from consensus_node.entrypoints.http import NodeStatus, create_catch_up
from consensus_node.metrics import NodeMetrics
from consensus_node.settings import Settings
from sps.chain.committee import first_seed, leader_order
from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.eventlog.port import EventLog
from sps.runtime.checks import reachable
from sps.runtime.clock import Clock, SystemClock
from sps.runtime.errors import Refusal
from sps.runtime.genesis_file import genesis_of
from sps.runtime.http import HttpServer
from sps.runtime.keys import load_seed
from sps.runtime.lifecycle import Supervisor
from sps.runtime.metrics import TraceMetrics
from sps.runtime.monitor import Monitor
from sps.runtime.probe import Probe, no_probe
from sps.runtime.tracing import tracer_of
from sps.signing import Signer

LOCK_NAME: Final = "lock"


async def bootstrap(
    settings: Settings,
    *,
    log: EventLog,
    clock: Clock | None = None,
    probe: Probe = no_probe,
    machine: StateMachine | None = None,
) -> Node:
    """Open this node's files and wire it to the log; refuse to run as a validator that lost its memory.

    `machine` None: the contracts and the ledger.
    """
    who = _who(settings)
    files = _Files(settings, who.chain, who.signer.public_key, who.name)
    steady, metrics, inbox = SteadyClock(clock or SystemClock()), NodeMetrics(CollectorRegistry()), Inbox()
    metrics.committee(len(who.genesis.validators))
    tracer = tracer_of(settings, who.name, TraceMetrics(metrics.registry))
    tracing = NodeTracing(tracer, who.name, -1 if settings.observer else who.index) if tracer.on else None
    blocks, batches = files.blocks, files.batches
    identity = Identity(who.index, who.signer.public_key, who.chain, files.records)
    listening = Listening(None if settings.observer else identity, inbox, steady)
    keys = {producer.id: producer.key for producer in who.genesis.producers}
    intake = Intake(who.chain, keys, batches, inbox, steady, metrics)
    peers = HttpPeers(_peer_urls(settings, who))
    fetcher = Fetcher(peers, blocks, intake, inbox, steady, metrics)
    lag = who.genesis.parameters.execution_lag
    state = machine or ContractMachine(who.genesis, tracing)
    executor = Executor(state, lag, blocks, batches, inbox, steady, metrics, probe)
    publisher = Publisher(log, who.index, blocks, metrics, tracing)
    replica = Replica(_replica_config(who, voting=not settings.observer), who.signer.sign)
    driver = Driver(
        who.name, replica, inbox, steady, files.wal, blocks, publisher, intake, executor, fetcher, identity,
        metrics, probe,
    )  # fmt: skip
    offsets = Offsets(settings.data / "offsets.json")
    offsets.load()
    consumers = Consumers(log, offsets, listening, intake, fetcher, blocks, inbox, steady, metrics, tracing)
    app = create_catch_up(blocks, batches, lambda: _status(who, node, replica), metrics)
    server = HttpServer(app, settings.host, settings.port)
    loops = {"speak": publisher.speak, "write-blocks": publisher.write_blocks, **consumers.loops()}
    supervisor = Supervisor(who.name, metrics.registry)
    listen_s = _listen_s(settings, who.genesis)
    monitor = Monitor(
        who.name,
        metrics.registry,
        lambda: node.dependencies(),  # noqa: PLW0108 there is no node yet
        settings.monitor_host,
        settings.monitor_port,
        checks={"event_log": reachable(log)},
    )
    node = Node(
        who.name, files.records, listen_s, inbox, steady, blocks, executor, intake, fetcher, listening,
        driver, supervisor, loops, monitor, server,
        last={"peers": peers.stop, "files": files.stop, "tracer": tracer.stop},
    )  # fmt: skip
    metrics.voting.set_function(lambda: _votes(who, node, replica))
    return node


class _Who(Struct, frozen=True):
    """Which chain, which seat, whose key."""

    genesis: Genesis
    chain: bytes
    signer: Signer
    index: int
    observer: bool

    @property
    def seat(self) -> str:
        return self.genesis.validators[self.index].name

    @property
    def name(self) -> str:
        return f"consensus-node-{self.seat}" + ("-observer" if self.observer else "")


def _who(settings: Settings) -> _Who:
    genesis = genesis_of(settings.genesis)
    signer = Signer(load_seed(settings.key))
    index = _seat(genesis, signer.public_key, observer=settings.observer)
    return _Who(genesis, chain_id(genesis_bytes(genesis)), signer, index, settings.observer)


def _status(who: _Who, node: Node, replica: Replica) -> NodeStatus:
    height, app_hash = node.executed
    standing = replica.standing
    return NodeStatus(
        name=who.seat,
        chain=who.chain.hex(),
        epoch=who.genesis.committee().epoch,
        view=standing.view,
        final_height=node.final_height,
        executed_height=height,
        app_hash=app_hash.hex(),
        voting=_votes(who, node, replica),
        ready=node.ready(),
    )


def _votes(who: _Who, node: Node, replica: Replica) -> bool:
    return node.taking_part and not who.observer and not replica.standing.halted


class _Files:
    """Everything a node has open in its data folder; the lock keeps a second process out."""

    def __init__(self, settings: Settings, chain: bytes, public_key: bytes, name: str) -> None:
        data = settings.data
        self._lock = _lock(data)
        self._votes_disk, self._data_disk = DiskThread(f"{name}-wal"), DiskThread(f"{name}-data")
        self.blocks = BlockStore(data / "blocks.log", chain)
        self.batches = BatchStore(data / "batches.log", chain)
        self.wal: Wal | NoLog = NoLog()
        self.records: tuple[Record, ...] = ()
        try:
            self.blocks.open(self._data_disk)
            self.batches.open(self._data_disk)
            if not settings.observer:
                self._open_wal(Wal(data / "wal", chain, public_key))
        except BaseException:
            self._close()
            raise

    def _open_wal(self, wal: Wal) -> None:
        self.wal = wal
        self.records = wal.open(self._votes_disk)
        if self.blocks.height and not self.records:
            raise Refusal(
                "LOG_LOST",
                "there are blocks but no write-ahead log: what this key voted is unknown, so it may not vote "
                "in this epoch; run as an observer",
            )

    async def stop(self) -> None:
        await self._votes_disk.stop()
        await self._data_disk.stop()
        self._close()

    def _close(self) -> None:
        self._votes_disk.finish()
        self._data_disk.finish()
        for file in (self.wal, self.blocks, self.batches):
            file.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _replica_config(who: _Who, *, voting: bool) -> ReplicaConfig:
    return ReplicaConfig(
        chain_id=who.chain,
        committee=who.genesis.committee(),
        order=leader_order(first_seed(who.chain), len(who.genesis.validators)),
        index=who.index,
        parameters=who.genesis.parameters,
        genesis_time_ms=who.genesis.created_ms,
        voting=voting,
    )


def _seat(genesis: Genesis, public_key: bytes, *, observer: bool) -> int:
    """The committee index of the key; an observer may have any key and looks from the first seat."""
    for index, member in enumerate(genesis.validators):
        if member.key == public_key:
            return index
    if observer:
        return 0
    raise Refusal("KEY_UNKNOWN", "the key is not one of a validator of this chain; run as an observer")


def _peer_urls(settings: Settings, who: _Who) -> tuple[str, ...]:
    if settings.peers is not None:
        return settings.peers
    others = (member.url for place, member in enumerate(who.genesis.validators) if place != who.index)
    return tuple(url for url in others if url)


def _listen_s(settings: Settings, genesis: Genesis) -> float:
    if settings.observer:
        return 0.0
    listen_ms = settings.listen_ms
    return (2 * genesis.parameters.t_view_ms if listen_ms is None else listen_ms) / 1_000


def _lock(data: Path) -> int:
    """One process per data folder: the first guard against one identity twice."""
    data.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Refusal("DATA_IN_USE", f"another process uses {data}") from error
    return descriptor
