"""Settings of a service: one frozen class, bounds on all numbers, unknown names refused.

Read from the environment with the service's prefix (`CONTRACT_API_PORT`), or given as arguments.
"""

import os
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from sps.runtime.errors import Refusal

Loaded = TypeVar("Loaded", bound="ServiceSettings")


class BadSettings(Refusal):
    """A setting is unknown, missing or out of bounds; the message names it."""


def settings_config(env_prefix: str) -> SettingsConfigDict:
    """`model_config` of a service's settings: the prefix ends with an underscore."""
    return SettingsConfigDict(env_prefix=env_prefix, frozen=True, extra="forbid")


class ServiceSettings(BaseSettings):
    """What every service is told. Subclasses add their own and set `model_config = settings_config(…)`."""

    model_config = settings_config("SPS_")

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=0, ge=0, le=65_535)
    """0: any free port; ask the server for it."""
    database_url: str
    """`sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`."""
    genesis: Path
    """The genesis document; its hash is the chain's name."""
    key: Path
    """The producer's private key file; made when there is none."""
    internal_token: SecretStr = Field(min_length=16)
    """What services show to each other on `/internal/…`."""
    peers: tuple[str, ...] | None = None
    """Base URLs of validators to fetch missing blocks from; none given: those of the genesis document."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is worth a line."""
    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""


def load_settings(kind: type[Loaded]) -> Loaded:
    """Read the environment; refuse a variable with the service's prefix that is no setting."""
    prefix = kind.model_config.get("env_prefix", "").upper()
    known = {f"{prefix}{name}".upper() for name in kind.model_fields}
    unknown = sorted(
        name for name in os.environ if name.upper().startswith(prefix) and name.upper() not in known
    )
    if unknown:
        raise BadSettings("SETTING_UNKNOWN", ", ".join(unknown))
    try:
        return kind.model_validate({})
    except ValidationError as error:
        names = ", ".join(
            ".".join(map(str, problem["loc"])) + ": " + problem["msg"] for problem in error.errors()
        )
        raise BadSettings("SETTING_BAD", names) from error
