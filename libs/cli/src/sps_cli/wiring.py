"""What each process of an installation is told: its settings, from the state folder and the servers.

The same settings are given as arguments where everything runs in one process (`platform.py`), and as
environment variables where each has a process of its own (`fleet.py`).
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct
from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings
from sqlalchemy import make_url

import carrier_gateway.settings as carrier_settings
import consensus_node.settings as node_settings
import contract_api.settings as api_settings
import payment_gateway.settings as payment_settings
import sandbox.settings as sandbox_settings
import settlement.settings as settlement_settings
from sps.runtime.errors import Refusal
from sps.runtime.settings import ENDPOINT, ProcessSettings
from sps_cli.state_folder import FLOATS, VALIDATORS, Servers, StateFolder

NODES: Final = tuple(f"node-{i}" for i in range(VALIDATORS))
SERVICES: Final = ("carrier-gateway", "payment-gateway", "settlement", "contract-api")
SANDBOX: Final = "sandbox"
ALL: Final = (SANDBOX, *NODES, *SERVICES)
"""Every process of an installation, in the order of their start."""

PORT_OF: Final = {
    "carrier-gateway": "carrier",
    "payment-gateway": "payment",
    "settlement": "settlement",
    "contract-api": "api",
    SANDBOX: SANDBOX,
} | {name: name for name in NODES}
"""The name of each one's port in the state folder."""

ALIPAY_APP: Final = "2026110000000001"
ALIPAY_SELLER: Final = "2088000000000001"


class Backends(Struct, frozen=True):
    """Where facts and blocks travel, and where each service keeps its own."""

    event_log: str
    """An address as `sps.eventlog.address` reads it."""
    database: Callable[[str], str]
    """The URL of a service's database, by the service's name."""


def backends_of(folder: StateFolder) -> Backends:
    """Those that the folder was made with."""
    servers = folder.servers
    if not servers:
        return Backends(f"sqlite:///{folder.path / 'log.sqlite'}", folder.database)
    return on_servers(folder, servers)


def on_servers(folder: StateFolder, servers: Servers) -> Backends:
    """The sandbox stays in the folder: it is the outside world and does not share our servers' fate."""

    def database(name: str) -> str:
        if name == SANDBOX:
            return folder.database(name)
        url = make_url(servers.postgres).set(database=database_name(name))
        return url.render_as_string(hide_password=False)

    return Backends(servers.event_log, database)


def database_name(service: str) -> str:
    """`contract-api` → `sps_contract_api`."""
    return f"sps_{service.replace('-', '_')}"


def servers_at(kafka: str, postgres: str) -> Servers:
    """What a person typed; raises `Refusal` when only one of the two was given or one does not read."""
    if not kafka and not postgres:
        return Servers()
    if not (kafka and postgres):
        raise Refusal("ONE_SERVER", "give both --kafka and --postgres, or neither")
    address = kafka if "://" in kafka else f"kafka://{kafka}"
    if urlsplit(address).scheme != "kafka":
        raise Refusal("BAD_ADDRESS", f"--kafka takes host:port,host:port or kafka://…, not {kafka}")
    scheme, mark, rest = postgres.partition("://")
    if not mark or scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise Refusal("BAD_ADDRESS", "--postgres takes postgresql://user@host:port/database")
    return Servers(address, f"postgresql+asyncpg://{rest}")


def collector_at(url: str) -> str:
    """What a person typed, or nothing; raises `Refusal` when it is no address of a collector."""
    if url and not re.fullmatch(ENDPOINT, url):
        raise Refusal("BAD_ADDRESS", f"--traces takes http://host:port of a collector, not {url}")
    return url


class Wiring:
    """The settings of each process by its name; `routes` gives some of them a way of their own to servers."""

    def __init__(
        self,
        folder: StateFolder,
        backends: Backends,
        routes: Mapping[str, Backends] | None = None,
        trace_endpoint: str = "",
    ) -> None:
        self._folder: Final = folder
        self.backends: Final = backends
        self._routes: Final = dict(routes or {})
        self._traces: Final = {"trace_endpoint": trace_endpoint} if trace_endpoint else {}

    def settings(self, name: str) -> ProcessSettings:
        """Raises KeyError for a name that is not one of `ALL`."""
        if name in NODES:
            return self.node(name)
        makers: dict[str, Callable[[], ProcessSettings]] = {
            "carrier-gateway": self.carrier,
            "payment-gateway": self.payment,
            "settlement": self.settlement,
            "contract-api": self.api,
            SANDBOX: self.sandbox,
        }
        return makers[name]()

    def event_log(self, name: str) -> str:
        """The address of the event log as this process reaches it."""
        return self._routes.get(name, self.backends).event_log

    def database(self, name: str) -> str:
        """The URL of the service's database as it reaches it."""
        return self._routes.get(name, self.backends).database(name)

    def node(self, name: str) -> node_settings.Settings:
        """A validator."""
        return node_settings.Settings(
            **self._process(name),
            genesis=self._folder.genesis_path,
            key=self._folder.key(name),
            data=self._folder.path / "nodes" / name,
        )

    def carrier(self) -> carrier_settings.Settings:
        secrets = self._folder.secrets
        return carrier_settings.Settings(
            **self._service("carrier-gateway"),
            public_url=self._folder.url("carrier"),
            tracking_pepper=SecretStr(secrets.tracking_pepper),
            dhl_base_url=f"{self._folder.url(SANDBOX)}/dhl",
            dhl_api_key=SecretStr(secrets.dhl_api_key),
            dhl_hook_path=SecretStr(secrets.dhl_hook_path),
            dhl_hook_token=SecretStr(secrets.dhl_hook_token),
            easypost_base_url=f"{self._folder.url(SANDBOX)}/easypost",
            easypost_api_key=SecretStr(secrets.easypost_api_key),
            easypost_webhook_secret=SecretStr(secrets.easypost_webhook_secret),
        )

    def payment(self) -> payment_settings.Settings:
        secrets, keys = self._folder.secrets, self._folder.provider_keys()
        return payment_settings.Settings(
            **self._service("payment-gateway"),
            public_url=self._folder.url("payment"),
            provider_timeout_s=2,
            payout_lease_s=3,
            payout_settle_s=3,  # the sandbox executes while it answers, or not at all
            alipay_gateway=f"{self._folder.url(SANDBOX)}/alipay/gateway.do",
            alipay_app_id=ALIPAY_APP,
            alipay_seller_id=ALIPAY_SELLER,
            alipay_private_key=SecretStr(keys.merchant_private),
            alipay_public_key=keys.alipay_public,
            alipay_app_certificate=keys.app_certificate,
            alipay_root_certificate=keys.root_certificate,
            stripe_base_url=f"{self._folder.url(SANDBOX)}/stripe",
            stripe_secret_key=SecretStr(secrets.stripe_secret_key),
            stripe_webhook_secrets=(SecretStr(secrets.stripe_webhook_secret),),
        )

    def settlement(self) -> settlement_settings.Settings:
        return settlement_settings.Settings(
            **self._service("settlement"),
            rates_url=f"{self._folder.url(SANDBOX)}/ecb/eurofxref-daily.xml",
        )

    def api(self) -> api_settings.Settings:
        return api_settings.Settings(
            **self._service("contract-api"),
            public_url=self._folder.url("api"),
            custody_key=self._folder.key("custody"),
            payment_gateway_url=self._folder.url("payment"),
            carrier_gateway_url=self._folder.url("carrier"),
            open_registration=True,
            pay_origins=(self._folder.url(SANDBOX),),
        )

    def sandbox(self) -> sandbox_settings.Settings:
        folder, secrets, keys = self._folder, self._folder.secrets, self._folder.provider_keys()
        payment_url, carrier_url = folder.url("payment"), folder.url("carrier")
        return sandbox_settings.Settings(
            **self._listening(SANDBOX),
            public_url=folder.url(SANDBOX),
            database_url=self.database(SANDBOX),
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

    def _listening(self, name: str) -> dict[str, Any]:
        port = PORT_OF[name]
        return {"port": self._folder.ports[port], "monitor_port": self._folder.ports[f"{port}.monitor"]}

    def _process(self, name: str) -> dict[str, Any]:
        return self._listening(name) | {"event_log": self.event_log(name)} | self._traces

    def _service(self, name: str) -> dict[str, Any]:
        return self._process(name) | {
            "database_url": self.database(name),
            "genesis": self._folder.genesis_path,
            "key": self._folder.key(name),
            "internal_token": SecretStr(self._folder.secrets.internal_token),
        }


def environment(settings: BaseSettings) -> dict[str, str]:
    """The variables from which the same settings are read again; secrets stand in them in plain text."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    given = {name: getattr(settings, name) for name in sorted(settings.model_fields_set)}
    return {f"{prefix}{name}".upper(): _text(value) for name, value in given.items() if value is not None}


def _text(value: object) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: object) -> Any:
    """As JSON can say it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(each) for each in value]
    return value
