"""Builds contract-api: everything by hand, in order. The outside world comes in as arguments."""

from typing import Final

import httpx

from contract_api.adapters.gateways import HttpGateways
from contract_api.adapters.projection import ReadModels
from contract_api.adapters.store import SqlStore
from contract_api.application.accounts import Accounts
from contract_api.application.contracts import Contracts, Custody
from contract_api.application.counted import CountedDesk
from contract_api.application.money import SellerMoney
from contract_api.application.proving import Prover
from contract_api.application.reading import Reader
from contract_api.application.shipping import Shipping
from contract_api.entrypoints.pages import Look, install_pages
from contract_api.entrypoints.rest import UseCases, install_rest
from contract_api.metrics import Metrics
from contract_api.settings import Settings
from sps.chain.genesis import genesis_bytes
from sps.eventlog.port import EventLog
from sps.runtime.clock import Clock, SystemClock
from sps.runtime.http import HttpServer, create_app
from sps.runtime.keys import load_or_create_seed
from sps.runtime.lifecycle import Steps, stop_all
from sps.runtime.member import ChainMember
from sps.runtime.peers import BlockSource
from sps.runtime.probe import Probe, no_probe

NAME: Final = "contract-api"
PACKAGE: Final = "contract_api"
SYSTEM_CLOCK: Final = SystemClock()


class ContractApi:
    """The service as its process sees it."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        log: EventLog,
        clock: Clock,
        probe: Probe,
        peers: BlockSource | None,
    ) -> None:
        metrics = Metrics()
        self.registry: Final = metrics.registry
        self.member: Final = ChainMember(
            settings, "api", NAME, log=log, clock=clock, registry=self.registry, probe=probe, peers=peers
        )
        self.monitor: Final = self.member.monitor
        self.follower: Final = self.member.follow(ReadModels())
        self._client: Final = httpx.AsyncClient(timeout=settings.gateway_timeout_s, trust_env=False)
        gateways = HttpGateways(
            self._client, settings.internal_token, settings.payment_gateway_url, settings.carrier_gateway_url
        )
        store = SqlStore(self.member.database, self.member.outbox)
        custody = Custody(load_or_create_seed(settings.custody_key), self.member.chain_id)
        desk = CountedDesk(store, self.follower, clock, settings.wait_s, metrics)
        reader = Reader(store, settings.public_url)
        self.app: Final = create_app(
            "Smart Payment Service",
            service=NAME,
            registry=self.registry,
            openapi_url="/openapi.json",
        )
        accounts = Accounts(store, clock, open_registration=settings.open_registration, live=settings.live)
        cases = UseCases(
            accounts=accounts,
            contracts=Contracts(store, desk, reader, custody, clock),
            shipping=Shipping(store, desk, reader, gateways, settings.wait_s),
            money=SellerMoney(store, desk, reader, gateways, clock, settings.wait_s),
            reader=reader,
            prover=Prover(store, self.member.genesis),
        )
        install_rest(self.app, cases, genesis_bytes(self.member.genesis))
        install_pages(self.app, cases, _look(settings))
        self.server: Final = HttpServer(self.app, settings.host, settings.port)
        self._steps: Final = Steps(
            self.monitor.start,
            lambda: self.member.migrate(PACKAGE),
            self.member.start,
            self.server.start,
            self.monitor.open,
        )

    async def start(self) -> None:
        """Migrate, go again over the chain up to the stored height, then listen."""
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

    def ready(self) -> bool:
        return self.member.ready()


def _look(settings: Settings) -> Look:
    return Look(
        pay_origins=settings.pay_origins,
        providers=settings.payment_providers,
        carriers=settings.carriers,
        open_registration=settings.open_registration,
        secure=settings.public_url.startswith("https:"),
        wait_s=settings.wait_s,
    )


async def bootstrap(
    settings: Settings,
    *,
    log: EventLog,
    clock: Clock = SYSTEM_CLOCK,
    probe: Probe = no_probe,
    peers: BlockSource | None = None,
) -> ContractApi:
    """Build the service; it runs after `start`."""
    return ContractApi(settings, log, clock, probe, peers)
