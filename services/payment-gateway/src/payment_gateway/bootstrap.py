"""Builds the payment gateway by hand, in order."""

from collections.abc import Mapping
from typing import Final

import httpx
from fastapi import FastAPI
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from payment_gateway.adapters.alipay import provider as alipay
from payment_gateway.adapters.alipay import signing
from payment_gateway.adapters.alipay.client import AlipayClient, Identity
from payment_gateway.adapters.alipay.provider import AlipayProvider
from payment_gateway.adapters.alipay.webhook import NotifyVerifier
from payment_gateway.adapters.callbacks_register import SqlCallbackRegister
from payment_gateway.adapters.chain_view import FollowerView
from payment_gateway.adapters.http_exchange import HttpExchange
from payment_gateway.adapters.orders_register import SqlOrderRegister
from payment_gateway.adapters.payments_register import SqlPaymentRegister
from payment_gateway.adapters.projection import OrderProjection
from payment_gateway.adapters.stripe import provider as stripe
from payment_gateway.adapters.stripe.client import StripeAccess, StripeClient
from payment_gateway.adapters.stripe.provider import StripeProvider
from payment_gateway.adapters.stripe.webhook import EventVerifier
from payment_gateway.adapters.surveys import CountOpen
from payment_gateway.application.beneficiaries import Beneficiaries
from payment_gateway.application.callbacks import Callbacks
from payment_gateway.application.orders import CarryOut, TakeOrders, Trust
from payment_gateway.application.pay_in import PayIn
from payment_gateway.application.payment_tracing import PaymentTracing
from payment_gateway.application.ports import PaymentProvider
from payment_gateway.core.payout import SECOND_MS, Rules
from payment_gateway.entrypoints.internal import internal_router
from payment_gateway.entrypoints.order_consumer import OrderConsumer
from payment_gateway.entrypoints.webhooks import webhook_router
from payment_gateway.entrypoints.workers import run_worker
from payment_gateway.metrics import GatewayMetrics
from payment_gateway.settings import Settings, key_text
from sps.eventlog.port import EventLog
from sps.runtime.clock import Clock, SystemClock
from sps.runtime.errors import Refusal
from sps.runtime.http import HttpServer, create_app
from sps.runtime.lifecycle import Steps, stop_all
from sps.runtime.member import ChainMember, producer_of
from sps.runtime.peers import BlockSource
from sps.runtime.probe import Probe, no_probe

NAME: Final = "payment_gateway"
MS_PER_S: Final = 1000
SYSTEM_CLOCK: Final = SystemClock()
SURVEY_EVERY_S: Final = 15.0
"""How often what is open is counted; less often when that takes long."""


class UnusableKeys(Refusal):
    """A provider's account has keys or certificates that cannot be read."""


class PaymentGateway:
    """The running service. Its parts are open to tests and to whoever composes services."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        log: EventLog,
        clock: Clock,
        probe: Probe,
        providers: Mapping[str, PaymentProvider],
        peers: BlockSource | None,
    ) -> None:
        self.registry: Final = CollectorRegistry()
        metrics = GatewayMetrics(self.registry, providers)
        self._settings = settings
        self._providers = dict(providers)
        self.member: Final = ChainMember(
            settings, "payment", NAME, log=log, clock=clock, registry=self.registry, probe=probe, peers=peers
        )
        self.monitor: Final = self.member.monitor
        self.database: Final = self.member.database
        self.outbox: Final = self.member.outbox
        self.follower: Final = self.member.follow(OrderProjection())
        self.relay: Final = self.member.relay
        self._count_open: Final = CountOpen(self.database, clock, metrics)
        chain = FollowerView(self.follower)
        tracing = PaymentTracing(self.member.tracing) if self.member.tracing else None
        self.payments: Final = SqlPaymentRegister(self.database, self.outbox)
        self.orders: Final = SqlOrderRegister(self.database, self.outbox)
        self.pay_in: Final = PayIn(
            self.payments,
            chain,
            self._providers,
            clock,
            metrics,
            settings.checkout_ttl_s * MS_PER_S,
            (settings.provider_timeout_s + 1) * MS_PER_S,
            tracing,
        )
        self.carry_out: Final = CarryOut(
            self.orders, self.payments, chain, self._providers, clock, metrics,
            frozenset(settings.stopped_providers), probe, tracing,
        )  # fmt: skip
        inbox = SqlCallbackRegister(self.database)
        self.callbacks: Final = Callbacks(
            inbox, self.payments, self._providers, clock, metrics, self._hurry, probe, tracing
        )
        trust = Trust(producer_of(self.member.genesis, "settlement").key, self.member.chain_id)
        self.take_orders: Final = TakeOrders(self.orders, chain, self._providers, trust, clock, metrics)
        self.consumer: Final = OrderConsumer(
            log, self.orders, self.take_orders, self.carry_out.wake.set, tracing
        )
        self._beneficiaries = Beneficiaries(self.payments, self._providers, clock)
        self._supervisor: Final = self.member.supervisor
        self.app: Final = self._application()
        self._server: Final = HttpServer(self.app, settings.host, settings.port)
        self._steps: Final = self._coming_up()

    def _coming_up(self) -> Steps:
        return Steps(
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
            *((name, provider.stop) for name, provider in self._providers.items()),
            ("monitor", self.monitor.stop),
        )

    def ready(self) -> bool:
        return self.member.ready()

    async def failed(self) -> None:
        """Return when a loop has met a defect."""
        await self.member.failed()

    async def _work(self) -> None:
        self.consumer.start(self._supervisor)
        run_worker(self._supervisor, "callbacks", self.callbacks)
        run_worker(self._supervisor, "payments", self.pay_in)
        # Our register may be an old backup: nothing is sent before the chain has said what became of it.
        run_worker(self._supervisor, "orders", self.carry_out, self.follower.caught_up)
        self.member.surveys.run("open", self._count_open, SURVEY_EVERY_S)

    def _hurry(self) -> None:
        self.pay_in.wake.set()
        self.carry_out.wake.set()

    def _application(self) -> FastAPI:
        token = self._settings.internal_token
        app = create_app("Payment gateway", service=NAME, registry=self.registry)
        answers = {name: provider.answers for name, provider in self._providers.items()}
        app.include_router(webhook_router(self.callbacks, answers))
        app.include_router(internal_router(self.pay_in, self._beneficiaries, token))
        return app


async def bootstrap(
    settings: Settings,
    *,
    log: EventLog,
    clock: Clock = SYSTEM_CLOCK,
    probe: Probe = no_probe,
    providers: Mapping[str, PaymentProvider] | None = None,
    peers: BlockSource | None = None,
) -> PaymentGateway:
    """Build the service; it runs after `start`. `providers` replaces those of the settings."""
    real = providers if providers is not None else configured_providers(settings, clock)
    return PaymentGateway(settings, log, clock, probe, real, peers)


def configured_providers(
    settings: Settings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
) -> dict[str, PaymentProvider]:
    """The providers whose accounts are configured; raises `UnusableKeys`."""
    providers: dict[str, PaymentProvider] = {}
    if settings.alipay_app_id:
        exchange = HttpExchange(settings.provider_timeout_s, transport)
        try:
            providers["alipay"] = _alipay(settings, clock, exchange)
        except ValueError as error:
            raise UnusableKeys("ALIPAY_KEYS_UNUSABLE", f"the settings ALIPAY_…: {error}") from error
    if settings.stripe_secret_key.get_secret_value():
        providers["stripe"] = _stripe(settings, HttpExchange(settings.provider_timeout_s, transport))
    return providers


def _alipay(settings: Settings, clock: Clock, exchange: HttpExchange) -> AlipayProvider:
    alipay_key = signing.load_public_key(key_text(settings.alipay_public_key))
    app, root = key_text(settings.alipay_app_certificate), key_text(settings.alipay_root_certificate)
    identity = Identity(
        app_id=settings.alipay_app_id,
        private_key=signing.load_private_key(key_text(settings.alipay_private_key.get_secret_value())),
        alipay_key=alipay_key,
        app_cert_sn=signing.certificate_sn(app) if app else "",
        root_cert_sn=signing.root_certificate_sn(root) if root else "",
    )
    client = AlipayClient(settings.alipay_gateway, identity, exchange, clock.now_ms)
    verifier = NotifyVerifier(alipay_key, settings.alipay_app_id, settings.alipay_seller_id)
    notify_url = f"{settings.public_url.rstrip('/')}/webhooks/alipay"
    return AlipayProvider(client, verifier, exchange, notify_url, _rules(alipay.RULES, settings))


def _stripe(settings: Settings, exchange: HttpExchange) -> StripeProvider:
    access = StripeAccess(settings.stripe_base_url, settings.stripe_secret_key.get_secret_value())
    verifier = EventVerifier([secret.get_secret_value() for secret in settings.stripe_webhook_secrets])
    return StripeProvider(StripeClient(access, exchange), verifier, exchange, _rules(stripe.RULES, settings))


def _rules(rules: Rules, settings: Settings) -> Rules:
    """The provider's bounds as this installation knows them."""
    settle_s = settings.payout_settle_s
    settle_ms = rules.settle_ms if settle_s is None else settle_s * SECOND_MS
    return replace(rules, settle_ms=settle_ms, lease_ms=settings.payout_lease_s * SECOND_MS)
