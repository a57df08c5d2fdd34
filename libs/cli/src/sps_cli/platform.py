"""The whole platform in one process: validators, services and sandbox, on a SQLite log and databases.

It only composes the services' own bootstraps; each of them would run the same in a process of its own.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pydantic import SecretStr

import carrier_gateway.bootstrap as carrier
import carrier_gateway.settings as carrier_settings
import consensus_node.bootstrap as node
import consensus_node.settings as node_settings
import contract_api.bootstrap as api
import contract_api.settings as api_settings
import payment_gateway.bootstrap as payment
import payment_gateway.settings as payment_settings
import sandbox.bootstrap as sandbox
import sandbox.settings as sandbox_settings
import settlement.bootstrap as settlement
import settlement.settings as settlement_settings
from sps.eventlog.embedded import EmbeddedLog
from sps.runtime.errors import Trouble
from sps.runtime.lifecycle import Service, stop_bounded
from sps.runtime.probe import Probe, no_probe
from sps_cli.state_folder import FLOATS, VALIDATORS, StateFolder

READY_S: Final = 30.0
POLL_S: Final = 0.02
STOP_S: Final = 4.0
"""All services stop at the same time within this; the log goes last."""

ALIPAY_APP: Final = "2026110000000001"
ALIPAY_SELLER: Final = "2088000000000001"


class Platform:
    """Starts, waits until ready, stops."""

    def __init__(self, folder: StateFolder, probe: Probe = no_probe) -> None:
        self._folder: Final = folder
        self.probes: Final[dict[str, Probe]] = defaultdict(lambda: probe)
        """By service: where a test may let it die."""
        self._log: Final = EmbeddedLog(folder.path / "log.sqlite")
        self.services: Final[dict[str, Any]] = {}

    async def start(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Bring everything up; returns when every service is ready."""
        await self._log.start()
        told("sandbox of carriers and providers")
        await self._begin("sandbox", await sandbox.bootstrap(self._sandbox()))
        told(f"{VALIDATORS} validators")
        nodes = [self.start_node(i) for i in range(VALIDATORS)]
        await asyncio.gather(*nodes)
        told("gateways, settlement, contract API")
        await asyncio.gather(*(self.start_service(name) for name in SERVICES))
        await self._until_ready()

    async def start_node(self, index: int) -> None:
        """Start one validator."""
        folder = self._folder
        settings = node_settings.Settings(
            genesis=folder.genesis_path,
            key=folder.key(f"node-{index}"),
            data=folder.path / "nodes" / f"node-{index}",
            port=folder.ports[f"node-{index}"],
        )
        name = f"node-{index}"
        await self._begin(name, await node.bootstrap(settings, log=self._log, probe=self.probes[name]))

    async def start_service(self, name: str) -> None:
        """Start one of the services by its name."""
        log, probe = self._log, self.probes[name]
        builders: dict[str, Callable[[], Coroutine[Any, Any, Service]]] = {
            "carrier-gateway": lambda: carrier.bootstrap(self._carrier(), log=log, probe=probe),
            "payment-gateway": lambda: payment.bootstrap(self._payment(), log=log, probe=probe),
            "settlement": lambda: settlement.bootstrap(self._settlement(), log=log, probe=probe),
            "contract-api": lambda: api.bootstrap(self._api(), log=log, probe=probe),
        }
        await self._begin(name, await builders[name]())

    async def stop_one(self, name: str) -> None:
        """Stop one service or validator."""
        await stop_bounded(self.services.pop(name).stop, name, STOP_S)

    async def stop(self) -> bool:
        """Stop everything; tell whether all stopped within their bounds."""
        stopping = [stop_bounded(service.stop, name, STOP_S) for name, service in self.services.items()]
        fine = all(await asyncio.gather(*stopping))
        self.services.clear()
        return await stop_bounded(self._log.stop, "log") and fine

    async def failed(self) -> str:
        """Return the name of the first service that met a defect."""
        waits = {asyncio.ensure_future(each.failed()): name for name, each in self.services.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[next(iter(done))]
        finally:
            for task in waits:
                task.cancel()

    async def _begin(self, name: str, service: Service) -> None:
        self.services[name] = service
        await service.start()

    async def _until_ready(self) -> None:
        end = time.monotonic() + READY_S
        while waiting := [name for name, service in self.services.items() if not service.ready()]:
            if time.monotonic() > end:
                raise Trouble(f"not ready after {READY_S:.0f} s: {', '.join(waiting)}")
            await asyncio.sleep(POLL_S)

    # --- settings -------------------------------------------------------------------------------

    def _common(self, name: str, port: str) -> dict[str, Any]:
        folder = self._folder
        return {
            "port": folder.ports[port],
            "database_url": folder.database(name),
            "genesis": folder.genesis_path,
            "key": folder.key(name),
            "internal_token": SecretStr(folder.secrets.internal_token),
        }

    def _carrier(self) -> carrier_settings.Settings:
        secrets = self._folder.secrets
        return carrier_settings.Settings(
            **self._common("carrier-gateway", "carrier"),
            public_url=self._folder.url("carrier"),
            tracking_pepper=SecretStr(secrets.tracking_pepper),
            dhl_base_url=f"{self._folder.url('sandbox')}/dhl",
            dhl_api_key=SecretStr(secrets.dhl_api_key),
            dhl_hook_path=SecretStr(secrets.dhl_hook_path),
            dhl_hook_token=SecretStr(secrets.dhl_hook_token),
            easypost_base_url=f"{self._folder.url('sandbox')}/easypost",
            easypost_api_key=SecretStr(secrets.easypost_api_key),
            easypost_webhook_secret=SecretStr(secrets.easypost_webhook_secret),
        )

    def _payment(self) -> payment_settings.Settings:
        secrets, keys = self._folder.secrets, self._folder.provider_keys()
        return payment_settings.Settings(
            **self._common("payment-gateway", "payment"),
            public_url=self._folder.url("payment"),
            provider_timeout_s=2,
            payout_lease_s=3,
            payout_settle_s=3,  # the sandbox executes while it answers, or not at all
            alipay_gateway=f"{self._folder.url('sandbox')}/alipay/gateway.do",
            alipay_app_id=ALIPAY_APP,
            alipay_seller_id=ALIPAY_SELLER,
            alipay_private_key=SecretStr(keys.merchant_private),
            alipay_public_key=keys.alipay_public,
            alipay_app_certificate=keys.app_certificate,
            alipay_root_certificate=keys.root_certificate,
            stripe_base_url=f"{self._folder.url('sandbox')}/stripe",
            stripe_secret_key=SecretStr(secrets.stripe_secret_key),
            stripe_webhook_secrets=(SecretStr(secrets.stripe_webhook_secret),),
        )

    def _settlement(self) -> settlement_settings.Settings:
        return settlement_settings.Settings(
            **self._common("settlement", "settlement"),
            rates_url=f"{self._folder.url('sandbox')}/ecb/eurofxref-daily.xml",
        )

    def _api(self) -> api_settings.Settings:
        return api_settings.Settings(
            **self._common("contract-api", "api"),
            public_url=self._folder.url("api"),
            custody_key=self._folder.key("custody"),
            payment_gateway_url=self._folder.url("payment"),
            carrier_gateway_url=self._folder.url("carrier"),
            open_registration=True,
            pay_origins=(self._folder.url("sandbox"),),
        )

    def _sandbox(self) -> sandbox_settings.Settings:
        folder, secrets, keys = self._folder, self._folder.secrets, self._folder.provider_keys()
        payment_url, carrier_url = folder.url("payment"), folder.url("carrier")
        return sandbox_settings.Settings(
            port=folder.ports["sandbox"],
            public_url=folder.url("sandbox"),
            database_url=folder.database("sandbox"),
            alipay_app_id=ALIPAY_APP,
            alipay_seller_id=ALIPAY_SELLER,
            alipay_private_key=SecretStr(keys.alipay_private),
            merchant_public_key=keys.merchant_public,
            app_cert=keys.app_certificate,
            root_cert=keys.root_certificate,
            alipay_message_url=f"{payment_url}/webhooks/alipay",
            stripe_secret_key=SecretStr(secrets.stripe_secret_key),
            stripe_webhook_secret=SecretStr(secrets.stripe_webhook_secret),
            stripe_webhook_url=f"{payment_url}/webhooks/stripe",
            dhl_api_key=SecretStr(secrets.dhl_api_key),
            easypost_api_key=SecretStr(secrets.easypost_api_key),
            easypost_webhook_secret=SecretStr(secrets.easypost_webhook_secret),
            easypost_webhook_url=f"{carrier_url}/webhooks/easypost",
            floats=tuple(
                sandbox_settings.Float.model_validate(
                    {"provider": provider, "currency": currency, "minor": int(minor)}
                )
                for provider, currency, minor in FLOATS
            ),
        )


SERVICES: Final = ("carrier-gateway", "payment-gateway", "settlement", "contract-api")
