"""Builds settlement: everything by hand, in order. The outside world comes in as arguments."""

from typing import Final

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from settlement.adapters.books import BookReader
from settlement.adapters.ecb import EcbSource
from settlement.adapters.opening import open_books
from settlement.adapters.projection import SettlementProjection, Wakes
from settlement.adapters.registers import SqlOrders, SqlQuotes, SqlRates
from settlement.adapters.tables import STREAM
from settlement.application.lock_quotes import LockQuotes
from settlement.application.order_tracing import OrderTracing
from settlement.application.ports import RateSource
from settlement.application.publish_orders import PublishOrders
from settlement.application.publish_rates import PublishRates
from settlement.application.take_stock import CountContracts, SumBooks
from settlement.core.orders import open_orders
from settlement.core.quotes import QuotePolicy
from settlement.entrypoints.internal import internal_router
from settlement.entrypoints.workers import run_rates, run_worker
from settlement.metrics import Metrics
from settlement.settings import Settings
from sps.eventlog.port import EventLog
from sps.runtime.clock import Clock, SystemClock
from sps.runtime.genesis_file import genesis_of
from sps.runtime.http import HttpServer, create_app
from sps.runtime.lifecycle import Steps, stop_all
from sps.runtime.member import ChainMember
from sps.runtime.peers import BlockSource
from sps.runtime.probe import Probe, no_probe

NAME: Final = STREAM
PACKAGE: Final = "settlement"
SYSTEM_CLOCK: Final = SystemClock()
SURVEY_EVERY_S: Final = 60.0
"""How often books are summed and contracts counted; less often when that takes long."""


class Settlement:
    """The service as its process sees it. Its parts are open to tests."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        log: EventLog,
        clock: Clock,
        probe: Probe,
        source: RateSource | None,
        peers: BlockSource | None,
    ) -> None:
        self._settings: Final = settings
        genesis = genesis_of(settings.genesis)
        self.metrics: Final = Metrics(sorted({opening.provider for opening in genesis.floats}))
        self.member: Final = ChainMember(
            settings,
            "settlement",
            NAME,
            log=log,
            clock=clock,
            registry=self.registry,
            probe=probe,
            peers=peers,
        )
        self.monitor: Final = self.member.monitor
        self.database: Final = self.member.database
        self.outbox: Final = self.member.outbox
        orders = SqlOrders(self.database, clock)
        tracing = OrderTracing(self.member.tracing) if self.member.tracing else None
        self.orders: Final = PublishOrders(orders, log, self.metrics.orders, probe, tracing)
        wakes = Wakes(self.orders.wake.set, self._quoted)
        signer, chain = self.member.signer, self.member.chain_id
        self.follower: Final = self.member.follow(
            SettlementProjection(signer, chain, wakes, self.metrics, probe)
        )
        self.relay: Final = self.member.relay
        self._client: Final = httpx.AsyncClient(timeout=settings.rates_timeout_s, trust_env=False)
        self.rates: Final = PublishRates(
            source or EcbSource(settings.rates_url, self._client, settings.rates_timeout_s),
            SqlRates(self.database, self.outbox, clock),
            self.follower,
            clock,
            self.metrics.rates,
        )
        self.quotes: Final = LockQuotes(
            SqlQuotes(self.database, self.outbox),
            self.follower,
            QuotePolicy(settings.spread_bp, settings.quote_life_ms),
        )
        self._count_contracts: Final = CountContracts(self.follower, clock, self.metrics.contracts)
        self._supervisor: Final = self.member.supervisor
        self._repeated = False
        self.server: Final = HttpServer(self._application(), settings.host, settings.port)
        self._steps: Final = Steps(
            self.monitor.start,
            lambda: self.member.migrate(PACKAGE),
            lambda: open_books(self.database, self.member.genesis),
            self.member.start,
            self._work,
            self.server.start,
            self.monitor.open,
        )

    @property
    def registry(self) -> CollectorRegistry:
        """All its metrics."""
        return self.metrics.registry

    async def start(self) -> None:
        """Migrate, open the books, go again over the chain up to the stored height, then work."""
        await self._steps.run()

    async def stop(self) -> None:
        await stop_all(
            ("http", self.server.stop),
            ("member", self.member.stop),
            ("client", self._client.aclose),
            ("monitor", self.monitor.stop),
        )

    async def failed(self) -> None:
        """Return when a background loop has met a defect."""
        await self.member.failed()

    @property
    def defect(self) -> Exception | None:
        """What stopped it, if something did."""
        return self._supervisor.defect

    def ready(self) -> bool:
        """Old rates and a silent source are no reason to be called not ready; the chain and the log are."""
        return self.member.ready()

    async def _work(self) -> None:
        run_worker(self._supervisor, "orders", self.orders, self._orders_again)
        run_worker(self._supervisor, "quotes", self.quotes, self.follower.caught_up)
        run_rates(self._supervisor, self.rates, self.follower.caught_up, self._settings.rates_every_s)
        surveys = self.member.surveys
        surveys.run("books", SumBooks(BookReader(self.database), self.metrics.books), SURVEY_EVERY_S)
        surveys.run("contracts", self._count_contracts, SURVEY_EVERY_S)

    async def _orders_again(self) -> None:
        """Once after every start: whatever is open on the chain is put on the log again."""
        await self.follower.caught_up()
        if not self._repeated:
            await self.orders.again(open_orders(self.follower.state))
            self._repeated = True

    def _quoted(self) -> None:
        self.quotes.wake.set()

    def _application(self) -> FastAPI:
        app = create_app("Settlement", service=NAME, registry=self.registry, openapi_url=None)
        app.include_router(internal_router(BookReader(self.database), self._settings.internal_token))
        return app


async def bootstrap(
    settings: Settings,
    *,
    log: EventLog,
    clock: Clock = SYSTEM_CLOCK,
    probe: Probe = no_probe,
    source: RateSource | None = None,
    peers: BlockSource | None = None,
) -> Settlement:
    """Build the service; it runs after `start`. `source` replaces the one of the settings."""
    return Settlement(settings, log, clock, probe, source, peers)
