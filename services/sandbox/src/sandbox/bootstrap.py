"""Puts the sandbox together. Nothing but this file knows all of its rooms."""

from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from sandbox.adapters.sending import HttpSender
from sandbox.adapters.store import DatabaseStore
from sandbox.application.alipay_gateway import AlipayGateway
from sandbox.application.alipay_trades import AlipayTrades
from sandbox.application.alipay_transfers import AlipayTransfers
from sandbox.application.bookkeeping import open_books
from sandbox.application.carriers import Dhl, EasyPost, Parcels
from sandbox.application.control import Cashier
from sandbox.application.postman import Postman
from sandbox.application.settling import Settler
from sandbox.application.stripe_api import StripeApi
from sandbox.application.stripe_checkout import StripeCheckout
from sandbox.application.stripe_movements import StripeMovements
from sandbox.application.telling import Teller
from sandbox.application.world import Alipay, Carrier, Stripe, World
from sandbox.core.rsa2 import certificate_serial, private_key, public_key, root_serial
from sandbox.entrypoints.alipay import alipay_router
from sandbox.entrypoints.carriers import dhl_router, easypost_router
from sandbox.entrypoints.control import control_router, ecb_router
from sandbox.entrypoints.pages import pages_router
from sandbox.entrypoints.stripe import stripe_router
from sandbox.entrypoints.views import Views
from sandbox.settings import Settings, pem_text
from sps.runtime.checks import answering
from sps.runtime.clock import Clock, SystemClock
from sps.runtime.database import Database
from sps.runtime.errors import Refusal, Trouble
from sps.runtime.http import HttpServer, create_app
from sps.runtime.lifecycle import Steps, Supervisor, stop_all
from sps.runtime.member import migrated
from sps.runtime.metrics import DatabaseMetrics
from sps.runtime.monitor import Monitor

_system: Final = SystemClock()


class Sandbox:
    """The service: an HTTP server and a postman."""

    name = "sandbox"

    def __init__(
        self,
        settings: Settings,
        world: World,
        database: Database,
        supervisor: Supervisor,
        registry: CollectorRegistry,
    ) -> None:
        self._settings = settings
        self._world = world
        self._database = database
        self._answering = answering(database)
        self._store = DatabaseStore(database)
        self._sender = HttpSender()
        self._supervisor = supervisor
        self._postman, app = _assemble(world, self._store, self._sender)
        self.server: Final = HttpServer(app, settings.host, settings.port)
        self.monitor: Final = Monitor(
            self.name,
            registry,
            lambda: {"loops": supervisor.ready()},
            settings.monitor_host,
            settings.monitor_port,
            checks={"database": self._look},
        )
        self._migrated = False
        self._tables: Final = DatabaseMetrics(registry)
        self._tables.watch(database.pool_status)
        self._steps: Final = Steps(
            self.monitor.start,
            self._migrate,
            self._open_books,
            self.server.start,
            self._work,
            self.monitor.open,
        )

    async def start(self) -> None:
        """Migrate, open the books, listen and send."""
        await self._steps.run()

    async def _migrate(self) -> None:
        self._tables.revision(await migrated(self._settings.database_url, self.name))
        self._migrated = True

    async def _look(self) -> None:
        """Nobody asks while it is migrated: two that open a new file at once lock each other out."""
        if not self._migrated:
            raise Trouble("the tables are not brought up yet")
        await self._answering()

    async def _open_books(self) -> None:
        floats = [(each.provider, each.currency, each.minor) for each in self._settings.floats]
        async with self._store.transaction() as unit:
            await open_books(unit, floats, self._world.now_ms())

    async def _work(self) -> None:
        self._supervisor.run("postman", self._postman.run)

    async def stop(self) -> None:
        await stop_all(
            ("http", self.server.stop),
            ("loops", self._supervisor.stop),
            ("sender", self._sender.stop),
            ("database", self._database.stop),
            ("monitor", self.monitor.stop),
        )

    def ready(self) -> bool:
        return self._supervisor.ready()

    async def failed(self) -> None:
        """Return when a loop has met a defect."""
        await self._supervisor.failed()

    @property
    def url(self) -> str:
        """How others reach it; known after `start`."""
        return self._world.url("")


async def bootstrap(settings: Settings, *, clock: Clock = _system) -> Sandbox:
    """Make the service; nothing runs before `start`."""
    made: list[Sandbox] = []

    def public_url() -> str:
        return settings.public_url or made[0].server.url

    try:
        world = World(clock, public_url, _alipay(settings), _stripe(settings), _carrier(settings))
    except ValueError as error:
        raise Refusal("ALIPAY_KEYS_UNUSABLE", f"the settings of keys and certificates: {error}") from error
    registry = CollectorRegistry()
    sandbox = Sandbox(
        settings,
        world,
        Database(settings.database_url, settings.database_limits()),
        Supervisor("sandbox", registry),
        registry,
    )
    made.append(sandbox)
    return sandbox


def _assemble(world: World, store: DatabaseStore, sender: HttpSender) -> tuple[Postman, FastAPI]:
    teller = Teller(world)
    settler = Settler(world, teller)
    parcels = Parcels(world, store, teller)
    trades, checkout = AlipayTrades(world, teller), StripeCheckout(world, teller)
    gateway = AlipayGateway(world, store, trades, AlipayTransfers(world, settler))
    stripe = StripeApi(world, store, checkout, StripeMovements(world, teller, settler, checkout))
    cashier, views = Cashier(store, gateway, trades, checkout), Views()
    app = create_app("Sandbox of carriers and payment providers", service="sandbox")
    for router in (
        alipay_router(world, gateway, cashier, views),
        stripe_router(world, stripe, cashier, views),
        dhl_router(Dhl(world, store, teller, parcels), world.carrier.dhl_api_key),
        easypost_router(EasyPost(world, store, parcels), world.carrier.easypost_api_key),
        ecb_router(world),
        control_router(store, parcels, cashier),
        pages_router(store, parcels, views),
    ):
        app.include_router(router)
    return Postman(world, store, sender, settler), app


def _alipay(settings: Settings) -> Alipay:
    app_cert, root_cert = pem_text(settings.app_cert), pem_text(settings.root_cert)
    return Alipay(
        app_id=settings.alipay_app_id,
        seller_id=settings.alipay_seller_id,
        key=private_key(pem_text(settings.alipay_private_key.get_secret_value())),
        merchant_key=public_key(pem_text(settings.merchant_public_key)),
        app_cert_sn=certificate_serial(app_cert) if app_cert else "",
        root_cert_sn=root_serial(root_cert) if root_cert else "",
        message_url=settings.alipay_message_url,
    )


def _stripe(settings: Settings) -> Stripe:
    return Stripe(
        secret_key=settings.stripe_secret_key.get_secret_value(),
        webhook_secret=settings.stripe_webhook_secret.get_secret_value(),
        webhook_url=settings.stripe_webhook_url,
        fee_bp=settings.stripe_fee_bp,
    )


def _carrier(settings: Settings) -> Carrier:
    return Carrier(
        dhl_api_key=settings.dhl_api_key.get_secret_value(),
        easypost_api_key=settings.easypost_api_key.get_secret_value(),
        easypost_webhook_secret=settings.easypost_webhook_secret.get_secret_value(),
        easypost_webhook_url=settings.easypost_webhook_url,
    )
