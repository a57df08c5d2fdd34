"""Settings of the gateway; environment prefix `CARRIER_GATEWAY_`.

A carrier without an API key is not offered. Its base URL is a setting like any other, so that a simulator is
just another address.
"""

import re
from typing import Annotated, Final

from pydantic import Field, SecretStr, StringConstraints, field_validator

from sps.runtime.settings import ServiceSettings, settings_config

_PEPPER: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,253}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]{1,200}$")]


class Settings(ServiceSettings):
    """What the gateway is told."""

    model_config = settings_config("CARRIER_GATEWAY_")

    public_url: Url = "http://127.0.0.1:8081"
    """How carriers reach `/webhooks/…`."""
    tracking_pepper: SecretStr = Field(min_length=64, max_length=64)
    """32 bytes in hex. Tags follow from it: once it is lost or changed, known numbers look unused."""
    silence_s: int = Field(default=900, ge=1, le=86_400)
    """After this long without a word from the carrier a parcel is asked for."""
    carrier_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """A whole call to a carrier, from the first byte to the last."""
    worker_pause_s: float = Field(default=1.0, ge=0.01, le=60)
    """How often the workers look for what is due without having been woken."""

    dhl_base_url: Url = "https://api-eu.dhl.com"
    """DHL's tracking and subscriptions."""
    dhl_api_key: SecretStr = SecretStr("")
    """Empty: DHL is not offered."""
    dhl_hook_path: SecretStr = SecretStr("")
    """The unguessable part of our webhook's path, 32 characters or more."""
    dhl_hook_token: SecretStr = SecretStr("")
    """What DHL shows in `X-Escrow-Token`, 32 characters or more."""
    dhl_hook_token_previous: SecretStr = SecretStr("")
    """Accepted too while tokens are being exchanged."""
    dhl_hosts: tuple[Host, ...] = Field(default=("api-eu.dhl.com", "api-test.dhl.com"), max_length=20)
    """Further hosts of DHL that we may call over https: handshakes and proofs of delivery."""
    dhl_service: str = Field(default="", pattern=r"^[a-z-]{0,40}$")
    """DHL's division, such as `express`; empty: all."""

    easypost_base_url: Url = "https://api.easypost.com"
    """EasyPost's trackers."""
    easypost_api_key: SecretStr = SecretStr("")
    """Empty: EasyPost is not offered."""
    easypost_webhook_secret: SecretStr = SecretStr("")
    """By which EasyPost's messages are verified."""
    easypost_webhook_secret_previous: SecretStr = SecretStr("")
    """Accepted too while secrets are being exchanged."""

    @field_validator("tracking_pepper")
    @classmethod
    def _is_hex(cls, pepper: SecretStr) -> SecretStr:
        if not _PEPPER.fullmatch(pepper.get_secret_value()):
            raise ValueError("the pepper is 64 lower-case hex digits")
        return pepper
