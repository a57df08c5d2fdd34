"""Whole consensus nodes for tests: four of them on one event log, with keys from fixed seeds and real signatures."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from chain_kit import make_genesis, signer

from consensus_node.application.node import Node
from consensus_node.bootstrap import bootstrap
from consensus_node.settings import Settings
from sps.chain.batch import FIRST_PREV_DIGEST, Batch, digest, encode_batch, seal
from sps.chain.genesis import Genesis, Parameters, chain_id, genesis_bytes
from sps.eventlog.port import EventLog, NewRecord
from sps.eventlog.topics import TRANSACTIONS
from sps.runtime.probe import Probe, no_probe

PATIENCE_S: Final = 30.0
QUICK: Final = Parameters(min_block_interval_ms=1, t_lead_ms=150, t_view_ms=300, t_resend_ms=200)
PRODUCER: Final = "contract-api"
PRODUCER_ID: Final = 1


class Crash(BaseException):
    """The process dies here. No handler of ordinary errors sees it."""


class Town:
    """A genesis, a folder per validator, an event log, and whichever nodes run."""

    def __init__(self, folder: Path, log: EventLog, genesis: Genesis | None = None) -> None:
        self.folder = folder
        self.log = log
        self.genesis = genesis or make_genesis(4, QUICK)
        self.raw = genesis_bytes(self.genesis)
        self.chain_id = chain_id(self.raw)
        self.nodes: dict[int, Node] = {}
        self._seq = 0
        self.previous = FIRST_PREV_DIGEST
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "genesis.json").write_bytes(self.raw)
        for index in range(len(self.genesis.validators)):
            key = folder / f"v{index}.key"
            key.touch(0o600)
            key.write_text(seed_of(f"v{index}").hex() + "\n")

    def settings(self, index: int, *, peers: Sequence[str] = (), observer: bool = False) -> Settings:
        return Settings(
            genesis=self.folder / "genesis.json",
            key=self.folder / f"v{index}.key",
            data=self.folder / f"v{index}",
            peers=tuple(peers),
            listen_ms=0,
            observer=observer,
        )

    async def up(
        self,
        index: int,
        *,
        peers: Sequence[str] = (),
        observer: bool = False,
        log: EventLog | None = None,
        probe: Probe = no_probe,
    ) -> Node:
        """Build and start one validator."""
        settings = self.settings(index, peers=peers, observer=observer)
        node = await bootstrap(settings, log=log or self.log, probe=probe)
        self.nodes[index] = node
        await node.start()
        return node

    async def all_up(self) -> None:
        await asyncio.gather(*(self.up(index) for index in range(len(self.genesis.validators))))

    async def down(self, *indices: int) -> None:
        await asyncio.gather(*(self.nodes.pop(index).stop() for index in indices or tuple(self.nodes)))

    def batch(self, transactions: Iterable[bytes]) -> Batch:
        """The producer's next batch."""
        self._seq += 1
        made = seal(
            signer(PRODUCER), self.chain_id, PRODUCER_ID, self._seq, self.previous, list(transactions), 0
        )
        self.previous = digest(made.header)
        return made

    async def send(self, *transactions: bytes) -> Batch:
        """Put the producer's next batch on the log."""
        made = self.batch(transactions or (b"{}",))
        await self.put(made)
        return made

    async def put(self, made: Batch) -> None:
        """Put a batch on the log."""
        await self.log.append(TRANSACTIONS, PRODUCER_ID, [NewRecord(b"1", encode_batch(made))])

    def ordered(self, node: Node) -> int:
        """How many transactions the blocks of a node hold."""
        return sum(node._blocks.block(h).header.tx_count for h in range(1, node.final_height + 1))

    def full_blocks(self, node: Node, above: int) -> int:
        """How many blocks above a height hold batches."""
        heights = range(above + 1, node.final_height + 1)
        return sum(1 for height in heights if node._blocks.block(height).header.batch_count)

    async def agree(self, transactions: int, nodes: Iterable[int] | None = None) -> set[tuple[int, bytes]]:
        """Wait until the nodes hold and have executed so many transactions, and stand at one height."""
        watched = [self.nodes[index] for index in (self.nodes if nodes is None else nodes)]

        def agreed() -> bool:
            heights = {node.executed for node in watched} | {(n.final_height, n.executed[1]) for n in watched}
            return len(heights) == 1 and all(self.ordered(node) >= transactions for node in watched)

        await eventually(agreed, self.report)
        return {node.executed for node in watched}

    def report(self) -> str:
        return "; ".join(
            f"{node.name}: final {node.final_height}, executed {node.executed[0]}, "
            f"txs {self.ordered(node)}, defect {node.defect!r}"
            for node in self.nodes.values()
        )


def seed_of(name: str) -> bytes:
    """The seed behind `chain_kit.signer(name)`."""
    return bytes(signer(name)._key)


async def eventually(
    holds: Callable[[], bool], report: Callable[[], str] = str, within_s: float = PATIENCE_S
) -> None:
    """Look again and again; fail with a report when time is up."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {report()}")
        await asyncio.sleep(0.005)
