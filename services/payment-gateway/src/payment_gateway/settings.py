"""Settings of the payment gateway, from variables that begin with `PAYMENT_GATEWAY_`.

A provider exists here when its account is configured. Base addresses are settings: a sandbox is just
another address, there is no other mode.
"""

from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from sps.runtime.settings import ServiceSettings, settings_config

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
NO_SECRET: Final = SecretStr("")


TEXT_MIN: Final = 300
"""A key or certificate is longer than this, and the path of a file is not."""


class Settings(ServiceSettings):
    """What the payment gateway is told. Keys and certificates: the text itself, or the path of a file."""

    model_config = settings_config("PAYMENT_GATEWAY_")

    public_url: str = "http://127.0.0.1:8082"
    """Where providers reach us."""
    checkout_ttl_s: int = Field(default=24 * 3600, ge=1800, le=24 * 3600)
    """How long a pay page lives."""
    provider_timeout_s: int = Field(default=20, ge=1, le=30)
    """A whole call to a provider."""
    payout_lease_s: int = Field(default=120, ge=2, le=600)
    """A worker that holds an order for longer has died. Must be longer than `provider_timeout_s`."""
    payout_settle_s: int | None = Field(default=None, ge=1, le=86_400)
    """How long after a call without an answer the provider may still come to know the order; none given: the
    provider's own bound. Shorten it only for a counterpart that is known to be quicker."""
    stopped_providers: tuple[str, ...] = ()
    """Nothing new is sent through these; what is under way is still looked at."""

    alipay_gateway: str = "https://openapi.alipay.com/gateway.do"
    """Alipay's one address for all calls."""
    alipay_app_id: str = ""
    """Empty: Alipay is not offered."""
    alipay_seller_id: str = ""
    """Our account, which every callback has to name."""
    alipay_private_key: SecretStr = NO_SECRET
    """Ours: PKCS#1 or PKCS#8, bare or PEM."""
    alipay_public_key: str = ""
    """Alipay's: bare, PEM, or its certificate."""
    alipay_app_certificate: str = ""
    """Certificate mode, which transfers need: our application's certificate (PEM)."""
    alipay_root_certificate: str = ""
    """Alipay's bundle of root certificates (PEM)."""

    stripe_base_url: str = "https://api.stripe.com"
    """Stripe's API."""
    stripe_secret_key: SecretStr = NO_SECRET
    """Empty: Stripe is not offered."""
    stripe_webhook_secrets: tuple[SecretStr, ...] = ()
    """The live ones: two during a roll."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for url in (self.alipay_gateway, self.stripe_base_url):
            address = urlsplit(url)
            if address.scheme != "https" and address.hostname not in LOOPBACK:
                raise ValueError(f"{url}: a provider is reached by https")
        if self.payout_lease_s <= self.provider_timeout_s:
            raise ValueError("payout_lease_s must be longer than provider_timeout_s")
        if self.alipay_app_id and not (
            self.alipay_seller_id and self.alipay_private_key.get_secret_value() and self.alipay_public_key
        ):
            raise ValueError("Alipay needs seller_id, private_key and public_key as well")
        if self.stripe_secret_key.get_secret_value() and not self.stripe_webhook_secrets:
            raise ValueError("Stripe needs webhook_secrets as well")
        return self


def key_text(value: str) -> str:
    """The text of a key or certificate, which may be in a file; `ValueError`, which never shows it."""
    if not value or "-----BEGIN" in value or len(value) > TEXT_MIN:
        return value
    try:
        return Path(value).read_text(encoding="ascii")
    except (OSError, ValueError):
        raise ValueError("neither a key nor the path of a file that can be read") from None
