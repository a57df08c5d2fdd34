"""Settlement through its real bootstrap: real database, follower, outbox and relay, a chain of one validator beside."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Self

from chain_kit import API, CARRIER, PAYMENT, SETTLEMENT, START_MS, ChainKit
from chain_world import Deal, h32, ident, terms
from little_chain import LittleChain
from settlement_fakes import FakeSource, Nobody, document
from sqlalchemy import func, select

from settlement.adapters.books import BookReader
from settlement.bootstrap import Settlement, bootstrap
from settlement.settings import Settings
from sps.chain.genesis import genesis_bytes
from sps.chain.receipt import Receipt
from sps.chain.state import opening_journals
from sps.eventlog.memory import MemoryLog
from sps.eventlog.topics import PAYOUTS, TOPICS
from sps.ledger.book import Book
from sps.runtime.clock import ManualClock
from sps.runtime.probe import Probe, no_probe
from sps.runtime.tables import outbox_transaction
from sps.transactions import vocabulary as facts
from sps.transactions.terms import PayoutWish, Tranche
from sps.transactions.values import WireMoney

TOKEN: Final = "an-internal-token"
PATIENCE_S: Final = 15.0
LOOK_S: Final = 0.005
WISH: Final = PayoutWish("alipay", h32("alice's account"))


class SettlementTown:
    """A settlement service, a chain, a source of rates, and the naive book as a twin."""

    def __init__(self, folder: Path, *, kit: ChainKit | None = None, **settings: Any) -> None:
        self.log = MemoryLog()
        self.chain = LittleChain(self.log, kit)
        self.source = FakeSource()
        self.clock = ManualClock(START_MS)
        self.folder = folder
        self.probe: Probe = no_probe
        self._settings = settings
        self.settlement: Settlement

    async def __aenter__(self) -> Self:
        await self.log.start()
        await self.up()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.down()
        await self.log.stop()

    async def up(self) -> None:
        """Start the service, anew when it was stopped, or another process of it beside the first."""
        self.settlement = await self.another()
        await self.settlement.start()

    async def another(self) -> Settlement:
        """One more process of the service, not started."""
        return await bootstrap(
            self.settings(),
            log=self.log,
            clock=self.clock,
            probe=self._at,
            source=self.source,
            peers=Nobody(),
        )

    async def down(self) -> None:
        await self.settlement.stop()

    async def again(self) -> None:
        """Stop and start."""
        await self.down()
        await self.up()

    def _at(self, step: str) -> None:
        self.probe(step)

    @property
    def database_path(self) -> Path:
        return self.folder / "settlement.sqlite"

    def settings(self, **changes: Any) -> Settings:
        genesis, key = self.folder / "genesis.json", self.folder / "settlement.key"
        genesis.write_bytes(genesis_bytes(self.chain.kit.genesis))
        key.touch(0o600)
        key.write_text(hashlib.sha256(b"sps-chain-kit|" + SETTLEMENT.encode()).hexdigest() + "\n")
        values = {
            "database_url": f"sqlite+aiosqlite:///{self.database_path}",
            "genesis": genesis,
            "key": key,
            "internal_token": TOKEN,
        }
        return Settings(**(values | self._settings | changes))

    # --- the chain ------------------------------------------------------------------------------

    async def say(self, producer: str, *transactions: facts.Transaction) -> tuple[Receipt, ...]:
        """Order these facts in a block, and let settlement fold it."""
        await self.chain.say(producer, *transactions)
        return await self.block()

    async def block(self, at_ms: int | None = None) -> tuple[Receipt, ...]:
        """The next block of all that waits; the wall clock goes along with block time."""
        receipts = await self.chain.block(at_ms)
        self.clock.advance(max(0, self.chain.state.time_ms - self.clock.now_ms()))
        await self.folded()
        return receipts

    async def folded(self) -> None:
        """Settlement has folded the newest block."""
        async with asyncio.timeout(PATIENCE_S):
            await self.settlement.follower.reached(self.chain.state.height)

    async def next_block(self) -> tuple[Receipt, ...]:
        """The next block, as soon as a fact waits for it."""
        await self.until(self.chain.waiting)
        return await self.block()

    async def until(self, holds: Callable[[], Awaitable[Any]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():  # noqa: ASYNC110 what is waited for has no event
                await asyncio.sleep(LOOK_S)

    # --- roads ----------------------------------------------------------------------------------

    async def released(self, name: str = "deal", **changes: Any) -> Deal:
        """Offered, accepted, paid, booked, delivered: the seller has the money."""
        deal = Deal(name, terms(**changes))
        await self.say(API, deal.offer(), deal.accept())
        await self.say(PAYMENT, deal.pay())
        await self.say(CARRIER, deal.book())
        await self.say(CARRIER, deal.delivered(self.chain.state.time_ms))
        return deal

    async def full_road(self, name: str = "deal") -> None:
        """One contract that pays out by itself, one that is cancelled and refunded, both to their end."""
        deal = await self.released(name, payout=WISH)
        await self.answer_orders(deal)
        undone = Deal(f"{name} undone", terms())
        await self.say(API, undone.offer(), undone.accept())
        await self.say(PAYMENT, undone.pay())
        await self.say(API, undone.cancel())
        await self.answer_orders(undone)

    async def two_tranches(self, name: str = "two") -> Deal:
        """A contract of which a part is released."""
        deal = Deal(
            name, terms(100_000, tranches=(Tranche("t1", "33333", ("p1",)), Tranche("t2", "66667", ("p2",))))
        )
        await self.say(API, deal.offer(), deal.accept())
        await self.say(PAYMENT, deal.pay())
        await self.say(CARRIER, deal.book("p1"), deal.book("p2"))
        await self.say(CARRIER, deal.delivered(self.chain.state.time_ms, "p1"))
        return deal

    async def answer_orders(self, deal: Deal) -> None:
        """The providers did what a contract ordered."""
        contract = self.chain.state.contracts[deal.id]
        paid = [deal.payout_paid(link.id) for link in contract.payouts if link.state == "ordered"]
        back = [deal.refund_paid(refund.id) for refund in contract.refunds if refund.state == "ordered"]
        await self.say(PAYMENT, *paid, *back)

    async def quote(self, deal: Deal, minor: int, to: str = "EUR", name: str = "quote") -> str:
        """The seller asks for a rate; returns the quote."""
        quote = ident("quo", name)
        asked = facts.RequestQuote(
            deal.event(), quote, deal.seller, WireMoney(deal.terms.currency, str(minor)), to
        )
        await self.say(API, asked)
        return quote

    async def rates(self, raw: bytes | None = None) -> str:
        """Let settlement look at the source once and order what it says; returns the advice."""
        return await self.settlement.rates.take(raw or document())

    # --- what came of it ------------------------------------------------------------------------

    def twin(self) -> Book:
        """The naive book of everything the chain did; it checks every rule after every journal."""
        journals = [each for receipt in self.chain.receipts for each in receipt.journals]
        return Book([*opening_journals(self.chain.kit.genesis), *journals])

    @property
    def reader(self) -> BookReader:
        return BookReader(self.settlement.database)

    async def balances(self) -> dict[str, int]:
        """What the database says, zeros left out."""
        return {line.address: line.balance for line in await self.reader.trial_balance() if line.balance}

    async def check(self) -> None:
        """The books are those of the chain and of the twin, to the unit, and sum to zero."""
        twin = self.twin()
        twin.check()
        trial = await self.reader.trial()
        assert trial.head.height == self.chain.state.height
        assert {line.address: (line.debits, line.credits) for line in trial.lines} == {
            address: (total.debits, total.credits) for address, total in twin.trial_balance().items()
        }
        assert await self.balances() == dict(sorted(self.chain.state.balances.items()))
        lines = await self.reader.journal(None, 100_000)
        posted = [(p.account, p.amount) for journal in twin.journals for p in journal.postings]
        assert [(line.address, line.amount) for line in lines] == posted

    async def all_orders_published(self) -> dict[str, set[bytes]]:
        """Wait until every order of the chain is on the log; a repeat has to be the same bytes."""

        async def done() -> bool:
            return (await self.published()).keys() == self.ordered()

        await self.until(done)
        records = await self.published()
        assert all(len(bodies) == 1 for bodies in records.values())
        return records

    async def under_way(self) -> int:
        """Facts of settlement that no block has ordered yet."""
        async with self.settlement.database.reading() as connection:
            query = select(func.count()).select_from(outbox_transaction)
            return int(await connection.scalar(query.where(outbox_transaction.c.body.is_not(None))) or 0)

    async def published(self) -> dict[str, set[bytes]]:
        """All order records on the log, by order."""
        found: dict[str, set[bytes]] = {}
        for partition in range(TOPICS[PAYOUTS].partitions):
            for record in await self.log.read(PAYOUTS, partition, 0, limit=1000):
                found.setdefault(record.key.decode(), set()).add(record.value)
        return found

    def ordered(self) -> set[str]:
        """Every order that the chain has made."""
        refunds = {each.id for one in self.chain.state.contracts.values() for each in one.refunds}
        return set(self.chain.state.payouts) | refunds

    def count(self, metric: str, **labels: str) -> float:
        return self.settlement.registry.get_sample_value(metric, labels) or 0.0
