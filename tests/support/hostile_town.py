"""Four validators and a settlement service on one event log, honest producers, and room for an attacker."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from chain_kit import API, CARRIER, PAYMENT, PRODUCERS, SETTLEMENT, make_genesis, signer
from chain_world import Deal, h32, terms
from msgspec.structs import replace
from node_kit import QUICK, Town
from settlement_fakes import FakeSource

from consensus_node.application.node import Node
from consensus_node.settings import Settings as NodeSettings
from settlement.adapters.books import BookReader
from settlement.bootstrap import Settlement
from settlement.bootstrap import bootstrap as bootstrap_settlement
from settlement.settings import Settings as SettlementSettings
from sps.chain.batch import FIRST_PREV_DIGEST, Batch, digest, encode_batch, seal
from sps.chain.block import Committed
from sps.chain.execution import execute, new_state
from sps.chain.genesis import Genesis
from sps.chain.receipt import OK
from sps.chain.state import ChainState, opening_journals
from sps.eventlog.port import EventLog, NewRecord
from sps.eventlog.topics import TOPICS, TRANSACTIONS
from sps.ledger.book import Book
from sps.transactions import vocabulary as facts
from sps.transactions.codec import encode
from sps.transactions.terms import PayoutWish
from sps_cli.servers.ports import free_port

VALIDATORS: Final = 4
PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.02
REPEAT_S: Final = 0.5
"""Producers say again what no block has taken, as the services' relays do."""
IDS: Final = {name: number for number, (name, _) in enumerate(PRODUCERS, 1)}
VALIDATORS_EVIDENCE: Final = ("E1", "E2", "E3", "E5")
WISH: Final = PayoutWish("alipay", h32("alice's account"))


class HostileTown(Town):
    """`tell` a deal from offer to release; `check` that everybody holds what honest producers said, once."""

    def __init__(self, folder: Path, log: EventLog) -> None:
        super().__init__(folder, log, _reachable(make_genesis(VALIDATORS, QUICK)))
        self.readers: dict[str, EventLog] = {}
        """By name (`0`…`3`, `settlement`): who reads through somebody else's hands."""
        self.settlements: list[Settlement] = []
        self.said: list[Batch] = []
        self.deals: list[Deal] = []
        self._lanes: dict[str, tuple[int, bytes]] = {}
        self._repeating: asyncio.Task[None] | None = None

    def settings(self, index: int, *, peers: Sequence[str] = (), observer: bool = False) -> NodeSettings:
        """Peers are those of the genesis document."""
        port = int(self.genesis.validators[index].url.rpartition(":")[2])
        given = super().settings(index, observer=observer)
        return given.model_copy(update={"port": port, "peers": tuple(peers) or None})

    async def open(self, *indices: int) -> None:
        """Start validators (all, when none are named), a settlement service, and the producers."""
        for index in indices or range(VALIDATORS):
            await self.join(index)
        await self.settlement()
        self._repeating = asyncio.create_task(self._repeat())

    async def close(self) -> None:
        if self._repeating is not None:
            self._repeating.cancel()
        await asyncio.gather(*(each.stop() for each in self.settlements), self.down())

    async def join(self, index: int) -> Node:
        """Start one validator, through whose hands it may read."""
        return await self.up(index, log=self.readers.get(str(index)))

    async def settlement(self) -> Settlement:
        """Start a settlement service with an empty database."""
        number = len(self.settlements)
        key = self.folder / "settlement.key"
        key.touch(0o600)
        key.write_text(hashlib.sha256(b"sps-chain-kit|" + SETTLEMENT.encode()).hexdigest() + "\n")
        settings = SettlementSettings(
            database_url=f"sqlite+aiosqlite:///{self.folder / f'settlement-{number}.sqlite'}",
            genesis=self.folder / "genesis.json",
            key=key,
            internal_token="an-internal-token",
        )
        log = self.readers.get("settlement", self.log)
        made = await bootstrap_settlement(settings, log=log, source=FakeSource())
        self.settlements.append(made)
        await made.start()
        return made

    # --- honest producers -----------------------------------------------------------------------

    async def tell(self, name: str) -> Deal:
        """A contract that is offered, accepted, paid, delivered and released; in blocks when it returns."""
        deal = Deal(name, terms(payout=WISH))
        self.deals.append(deal)
        steps: list[tuple[str, list[facts.Transaction]]] = [
            (API, [deal.offer(), deal.accept()]),
            (PAYMENT, [deal.pay()]),
            (CARRIER, [deal.book(), deal.delivered(_now_ms())]),
        ]
        for producer, said in steps:
            await self.say(producer, *said)
            await self.settled()
        return deal

    async def say(self, producer: str, *said: facts.Transaction) -> Batch:
        """The producer's next batch, on its lane."""
        seq, previous = self._lanes.get(producer, (0, FIRST_PREV_DIGEST))
        batch = seal(
            signer(producer), self.chain_id, IDS[producer], seq + 1, previous, [encode(f) for f in said], 0
        )
        self._lanes[producer] = (seq + 1, digest(batch.header))
        self.said.append(batch)
        await self.put(batch)
        return batch

    async def put(self, made: Batch) -> None:
        number = made.header.producer_id
        record = NewRecord(number.to_bytes(8, "big"), encode_batch(made))
        await self.log.append(TRANSACTIONS, number % TOPICS[TRANSACTIONS].partitions, [record])

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(REPEAT_S)
            for batch in self.said:
                if not self._ordered(batch):
                    await self.put(batch)

    def _ordered(self, batch: Batch) -> bool:
        header = batch.header
        return any(
            node._executor.cursors.get(header.producer_id, (0, b""))[0] >= header.seq
            for node in self.nodes.values()
        )

    async def settled(self) -> None:
        """Everything said is ordered and executed by some validator."""
        await self.until(lambda: all(map(self._ordered, self.said)), "what was said is ordered")

    # --- what came of it ------------------------------------------------------------------------

    async def check(self) -> ChainState:
        """All validators and followers agree with the honest chain: blocks, state, books, each fact once."""
        await self.settled()
        await self.until(
            lambda: self._level() and self._followed(),
            "all stand at one height, in one state, and all is folded",
        )
        framed = {
            kind: n
            for kind in VALIDATORS_EVIDENCE
            if (n := self.count("sps_consensus_evidence_total", kind=kind))
        }
        assert not framed, "honest validators are proved guilty"
        state, book = self._honest()
        for node in self.nodes.values():
            assert node.defect is None
            assert node.executed == (state.height, state.app_hash)
        for each in self.settlements:
            await self._check_books(each, state, book)
        for deal in self.deals:
            assert book_of(state, deal) == (int(deal.terms.price), 0), deal.name
        return state

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}; {self.report()}"
            await asyncio.sleep(LOOK_S)

    def report(self) -> str:
        followed = (
            f"settlement at {each.follower.height} of {each.follower._reader.best}, defect {each.defect!r}"
            for each in self.settlements
        )
        return "; ".join((super().report(), *followed))

    def count(self, metric: str, **labels: str) -> float:
        """The sum of a metric over all validators and services."""
        registries = [node._driver._metrics.registry for node in self.nodes.values()]
        registries += [each.registry for each in self.settlements]
        return sum(registry.get_sample_value(metric, labels) or 0.0 for registry in registries)

    def block(self, height: int) -> Committed:
        """A final block."""
        node = max(self.nodes.values(), key=lambda each: each.final_height)
        return node._blocks.block(height)

    @property
    def height(self) -> int:
        return max(node.final_height for node in self.nodes.values())

    def is_in_a_block(self, batch: Batch) -> bool:
        """Whether this very batch is ordered."""
        name = digest(batch.header)
        heights = range(1, self.height + 1)
        return any(ref.digest == name for height in heights for ref in self.block(height).refs)

    def _level(self) -> bool:
        standing = {node.executed for node in self.nodes.values()}
        final = {node.final_height for node in self.nodes.values()}
        return len(standing) == 1 and final == {next(iter(standing))[0]}

    def _followed(self) -> bool:
        return all(each.follower.height == self.height and each.ready() for each in self.settlements)

    def _honest(self) -> tuple[ChainState, Book]:
        """The chain executed once more, by nobody's service, from blocks that hold only what was said."""
        known = {digest(batch.header): batch for batch in self.said}
        state = new_state(self.genesis)
        journals = [*opening_journals(self.genesis)]
        for height in range(1, self.height + 1):
            block = self.block(height)
            batches = [known[ref.digest] for ref in block.refs]
            for receipt in execute(state, block.header, block.refs, batches):
                assert receipt.code == OK, receipt
                journals += receipt.journals
        book = Book(journals)
        book.check()
        return state, book

    async def _check_books(self, service: Settlement, state: ChainState, book: Book) -> None:
        assert service.defect is None
        assert service.follower.state.app_hash == state.app_hash
        trial = await BookReader(service.database).trial()
        assert trial.head.height >= state.height
        assert {line.address: (line.debits, line.credits) for line in trial.lines} == {
            address: (total.debits, total.credits) for address, total in book.trial_balance().items()
        }


def book_of(state: ChainState, deal: Deal) -> tuple[int, int]:
    """(received, still held) of a contract."""
    received = state.contracts[deal.id].received
    held = -sum(v for account, v in state.balances.items() if account.startswith(f"2000/{deal.id}/"))
    return received, held


def _reachable(genesis: Genesis) -> Genesis:
    """The same validators at ports that are free here."""
    members = tuple(replace(member, url=f"http://127.0.0.1:{free_port()}") for member in genesis.validators)
    return replace(genesis, validators=members)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def settle_quickly(patch: Any) -> None:
    """Nobody waits ten seconds before asking around."""
    patch.setattr("consensus_node.application.fetching.LOOK_EVERY_S", 0.5)
    patch.setattr("sps.runtime.block_reader.QUIET_S", 0.5)
