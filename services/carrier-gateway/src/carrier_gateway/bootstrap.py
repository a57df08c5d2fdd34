"""Builds the carrier gateway by hand, in order."""

from collections.abc import Mapping
from typing import Final

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from carrier_gateway.adapters.bounded_http import BoundedHttp
from carrier_gateway.adapters.dhl.carrier import Dhl
from carrier_gateway.adapters.dhl.client import DhlAccess, DhlClient
from carrier_gateway.adapters.dhl.webhook import DhlWebhook
from carrier_gateway.adapters.easypost.carrier import EasyPost
from carrier_gateway.adapters.easypost.client import EasyPostClient
from carrier_gateway.adapters.easypost.webhook import EasyPostWebhook
from carrier_gateway.adapters.store import DatabaseStore
from carrier_gateway.adapters.surveys import CountWaiting
from carrier_gateway.application.asking import Asker
from carrier_gateway.application.booking import Booker
from carrier_gateway.application.carrier_port import Carrier
from carrier_gateway.application.carrier_tracing import CarrierTracing
from carrier_gateway.application.following import Fold
from carrier_gateway.application.receiving import Receiver
from carrier_gateway.application.translating import Translator
from carrier_gateway.application.watching import Watcher
from carrier_gateway.entrypoints.blocks import BookingProjection
from carrier_gateway.entrypoints.internal import internal_router
from carrier_gateway.entrypoints.webhooks import webhooks_router
from carrier_gateway.entrypoints.workers import Worker
from carrier_gateway.metrics import GatewayMetrics
from carrier_gateway.settings import Settings
from sps.eventlog.port import EventLog
from sps.runtime.clock import Clock, SystemClock
from sps.runtime.http import HttpServer, create_app
from sps.runtime.lifecycle import Steps, stop_all
from sps.runtime.member import ChainMember
from sps.runtime.peers import BlockSource
from sps.runtime.probe import Probe, no_probe

NAME: Final = "carrier_gateway"
MS_PER_S: Final = 1000
SYSTEM_CLOCK: Final = SystemClock()
SURVEY_EVERY_S: Final = 15.0
"""How often what waits is counted; less often when that takes long."""


class CarrierGateway:
    """The running service. Its parts are open to tests and to whoever composes services."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        log: EventLog,
        clock: Clock,
        probe: Probe,
        carriers: Mapping[str, Carrier],
        peers: BlockSource | None,
    ) -> None:
        self.registry: Final = CollectorRegistry()
        self._settings: Final = settings
        self._carriers: Final = dict(carriers)
        tally = GatewayMetrics(self.registry, self._carriers)
        self.member: Final = ChainMember(
            settings,
            "carrier",
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
        self.store: Final = DatabaseStore(self.database, self.outbox)
        self.follower: Final = self.member.follow(BookingProjection(self.store, Fold(clock, tally)))
        self.relay: Final = self.member.relay
        self._count_waiting: Final = CountWaiting(self.database, tuple(self._carriers), clock, tally)
        self._watchers: Final[list[Worker]] = []
        self._translators: Final[list[Worker]] = []
        for carrier in self._carriers.values():
            self._add_workers(carrier, clock, tally)
        pepper = bytes.fromhex(settings.tracking_pepper.get_secret_value())
        self.booker: Final = Booker(self.store, clock, pepper, self._wake_watchers)
        self.receiver: Final = Receiver(self._carriers, self.store, clock, tally, self._wake_translators)
        self._supervisor: Final = self.member.supervisor
        self.app: Final = self._application()
        self._server: Final = HttpServer(self.app, settings.host, settings.port)
        self._steps: Final = Steps(
            self.monitor.start,
            lambda: self.member.migrate(NAME),
            self.member.start,
            self._work,
            self._server.start,
            self.monitor.open,
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    async def start(self) -> None:
        """Migrate, go again over the chain up to the stored height, then work and listen."""
        await self._steps.run()

    async def stop(self) -> None:
        await stop_all(
            ("http", self._server.stop),
            ("member", self.member.stop),
            *((name, carrier.stop) for name, carrier in self._carriers.items()),
            ("monitor", self.monitor.stop),
        )

    def ready(self) -> bool:
        return self.member.ready()

    async def failed(self) -> None:
        """Return when a loop has met a defect."""
        await self.member.failed()

    async def _work(self) -> None:
        for worker in (*self._translators, *self._watchers):
            worker.start(self._supervisor)
        self.member.surveys.run("waiting", self._count_waiting, SURVEY_EVERY_S)

    def _add_workers(self, carrier: Carrier, clock: Clock, tally: GatewayMetrics) -> None:
        silence_ms, pause_s = self._settings.silence_s * MS_PER_S, self._settings.worker_pause_s
        tracer = self.member.tracer
        tracing = CarrierTracing(tracer, carrier.name) if tracer.on else None
        asker = Asker(carrier, self.store, clock, tally, silence_ms, tracing)
        translator = Translator(carrier, self.store, clock, tally, asker, silence_ms, tracing)
        watcher = Watcher(carrier, self.store, clock, tally, asker, silence_ms)
        self._translators.append(Worker(f"translate-{carrier.name}", translator, pause_s))
        self._watchers.append(Worker(f"watch-{carrier.name}", watcher, pause_s))

    def _wake_watchers(self) -> None:
        for worker in self._watchers:
            worker.wake()

    def _wake_translators(self) -> None:
        for worker in self._translators:
            worker.wake()

    def _application(self) -> FastAPI:
        token = self._settings.internal_token
        app = create_app("Carrier gateway", service=NAME, registry=self.registry)
        app.include_router(webhooks_router(self.receiver))
        app.include_router(internal_router(self.booker, tuple(self._carriers), token))
        return app


async def bootstrap(
    settings: Settings,
    *,
    log: EventLog,
    clock: Clock = SYSTEM_CLOCK,
    probe: Probe = no_probe,
    carriers: Mapping[str, Carrier] | None = None,
    peers: BlockSource | None = None,
) -> CarrierGateway:
    """Build the service; it runs after `start`. `carriers` replaces those of the settings."""
    real = configured_carriers(settings) if carriers is None else carriers
    return CarrierGateway(settings, log, clock, probe, real, peers)


def configured_carriers(
    settings: Settings, transport: httpx.AsyncBaseTransport | None = None
) -> dict[str, Carrier]:
    """The carriers for which there is an API key."""
    carriers: dict[str, Carrier] = {}
    if settings.dhl_api_key.get_secret_value():
        carriers["dhl"] = _dhl(settings, BoundedHttp(settings.carrier_timeout_s, transport))
    if settings.easypost_api_key.get_secret_value():
        carriers["easypost"] = _easypost(settings, BoundedHttp(settings.carrier_timeout_s, transport))
    return carriers


def _dhl(settings: Settings, http: BoundedHttp) -> Dhl:
    path = settings.dhl_hook_path.get_secret_value()
    token = settings.dhl_hook_token.get_secret_value()
    previous = settings.dhl_hook_token_previous.get_secret_value()
    access = DhlAccess(
        settings.dhl_base_url,
        settings.dhl_api_key.get_secret_value(),
        settings.dhl_hosts,
        settings.dhl_service,
    )
    hook_url = f"{settings.public_url.rstrip('/')}/webhooks/dhl/{path}"
    webhook = DhlWebhook(path, (token, previous) if previous else (token,))
    return Dhl(webhook, DhlClient(access, http, hook_url, token))


def _easypost(settings: Settings, http: BoundedHttp) -> EasyPost:
    secret = settings.easypost_webhook_secret.get_secret_value()
    previous = settings.easypost_webhook_secret_previous.get_secret_value()
    webhook = EasyPostWebhook((secret, previous) if previous else (secret,))
    client = EasyPostClient(settings.easypost_base_url, settings.easypost_api_key.get_secret_value(), http)
    return EasyPost(webhook, client)
