"""Settings of a process: one frozen class, bounds on all numbers, unknown names refused.

Read from the environment with the service's prefix (`CONTRACT_API_PORT`), or given as arguments.
"""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeVar

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sps.eventlog.kafka_security import KafkaSecurity
from sps.runtime.environment import read_environment
from sps.runtime.errors import Refusal

if TYPE_CHECKING:
    from sps.runtime.database_engine import DatabaseLimits

Loaded = TypeVar("Loaded", bound="ProcessSettings")

NO_SECRET: Final = SecretStr("")
ENDPOINT: Final = r"^(https?://[^\s?#@]+)?$"
"""A base URL, without a login and without a question; or nothing."""


class BadSettings(Refusal):
    """A setting is unknown, missing or out of bounds; the message names it."""


def settings_config(env_prefix: str) -> SettingsConfigDict:
    """`model_config` of a service's settings: the prefix ends with an underscore."""
    return SettingsConfigDict(env_prefix=env_prefix, frozen=True, extra="forbid")


class ProcessSettings(BaseSettings):
    """What every process is told. Subclasses add their own and set `model_config = settings_config(…)`."""

    model_config = settings_config("SPS_")

    uses_event_log: ClassVar[bool] = True
    """Whether a process of its own needs `event_log`."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=0, ge=0, le=65_535)
    """0: any free port; ask the server for it."""
    monitor_host: str = "127.0.0.1"
    """The address of `/metrics`, `/health/live` and `/health/ready`; never the public's."""
    monitor_port: int = Field(default=0, ge=0, le=65_535)
    """Their port; 0: any free port."""
    event_log: str = Field(default="", max_length=2_000)
    """`kafka://host:port,host:port?prefix=x.` or `sqlite:///path`; a process of its own needs it."""
    kafka_tls: bool = False
    """Talk to Kafka by TLS."""
    kafka_ca_file: str = ""
    """Who signs the brokers' certificates (PEM); empty: those whom the machine trusts."""
    kafka_certificate_file: str = ""
    """Our own certificate (PEM), where the brokers ask for one."""
    kafka_key_file: str = ""
    """The key of our certificate (PEM)."""
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    """How we log in; empty: not at all."""
    kafka_username: str = ""
    """With which name."""
    kafka_password: SecretStr = NO_SECRET
    """With which password."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is worth a line."""
    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""
    trace_endpoint: str = Field(default="", max_length=500, pattern=ENDPOINT)
    """Base URL of an OpenTelemetry collector (OTLP over HTTP), such as `http://127.0.0.1:4318`; empty: no
    traces. The sandbox makes none."""
    trace_share: float = Field(default=1.0, ge=0, le=1)
    """How many of the stories are traced; the same ones in all services."""

    def kafka_security(self) -> KafkaSecurity:
        """How we prove ourselves to Kafka, as the log takes it."""
        return KafkaSecurity(
            tls=self.kafka_tls,
            ca_file=self.kafka_ca_file,
            certificate_file=self.kafka_certificate_file,
            key_file=self.kafka_key_file,
            sasl_mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_username,
            password=self.kafka_password.get_secret_value(),
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 the library gives all of them
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments alone count; `load_settings` makes them of the environment."""
        return (init_settings,)


class DatabaseSettings(ProcessSettings):
    """What every process with a database is told. The bounds of connections count for PostgreSQL."""

    database_url: str = Field(repr=False)
    """`postgresql+asyncpg://…` or `sqlite+aiosqlite:///…`."""
    database_pool_size: int = Field(default=4, ge=1, le=64)
    """Connections that stay open."""
    database_overflow: int = Field(default=4, ge=0, le=64)
    """Further ones when all are in use."""
    database_wait_s: float = Field(default=10.0, gt=0, le=60)
    """How long to wait for a free connection."""
    database_connect_timeout_s: float = Field(default=5.0, gt=0, le=30)
    """How long opening a connection may take."""
    database_statement_timeout_s: float = Field(default=10.0, gt=0, le=300)
    """How long one statement may take."""
    database_lock_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long a statement may wait for a lock."""
    database_idle_in_transaction_s: float = Field(default=10.0, gt=0, le=300)
    """After how long the server ends a transaction in which nothing happens."""

    def database_limits(self) -> "DatabaseLimits":
        """The bounds, as the database takes them."""
        from sps.runtime.database_engine import DatabaseLimits

        return DatabaseLimits(
            pool_size=self.database_pool_size,
            overflow=self.database_overflow,
            wait_s=self.database_wait_s,
            connect_timeout_s=self.database_connect_timeout_s,
            statement_timeout_s=self.database_statement_timeout_s,
            lock_timeout_s=self.database_lock_timeout_s,
            idle_in_transaction_s=self.database_idle_in_transaction_s,
        )


class ServiceSettings(DatabaseSettings):
    """What every service is told that takes part in the chain without voting."""

    genesis: Path
    """The genesis document; its hash is the chain's name."""
    key: Path
    """The producer's private key file (mode 0600); the genesis document names its public key."""
    internal_token: SecretStr = Field(min_length=16)
    """What services show to each other on `/internal/…`."""
    peers: tuple[str, ...] | None = None
    """Base URLs of validators to fetch missing blocks from; none given: those of the genesis document."""


def load_settings(kind: type[Loaded]) -> Loaded:
    """Read the environment; raise `BadSettings`, whose message says all that is wrong with it in one line."""
    reading = read_environment(kind)
    if reading.settings is None:
        problems = reading.problems
        raise BadSettings(problems[0].code, "; ".join(map(str, problems)))
    return reading.settings
