"""What the sandbox is told. It is no member of the chain: it has no genesis and no producer's key."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sps.runtime.settings import DatabaseSettings, settings_config


class Float(BaseModel):
    """What a provider holds for the platform at the beginning, in minor units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Literal["alipay", "stripe"]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    minor: Annotated[int, Field(ge=0, le=2**53)]


class Settings(DatabaseSettings):
    """Environment prefix `SANDBOX_`. Keys and certificates: the text itself, or the path of a file."""

    model_config = settings_config("SANDBOX_")

    uses_event_log: ClassVar[bool] = False

    port: int = Field(default=8090, ge=0, le=65_535)
    """0: any free port."""
    public_url: str = ""
    """How the platform and browsers reach the sandbox; empty: http://host:port."""
    alipay_app_id: str = "2021000000000001"
    """The only application that "Alipay" knows."""
    alipay_seller_id: str = "2088000000000001"
    """The application's account."""
    alipay_private_key: SecretStr
    """"Alipay's" RSA key, with which answers and notifies are signed."""
    merchant_public_key: str
    """The payment gateway's RSA key, by which its requests are checked."""
    app_cert: str = ""
    """The application's certificate. With it, transfers are checked for its serial number."""
    root_cert: str = ""
    """The root certificates that such requests have to name as well."""
    alipay_message_url: str = ""
    """The application gateway: where messages about transfers go."""

    stripe_secret_key: SecretStr = SecretStr("sk_test_sandbox")
    """What a caller of "Stripe" has to show."""
    stripe_webhook_secret: SecretStr = SecretStr("whsec_sandbox")
    """With which "Stripe" signs its messages."""
    stripe_webhook_url: str = ""
    """Where its messages go; empty: nowhere."""
    stripe_fee_bp: int = Field(default=290, ge=0, le=10_000)
    """Fee of every payment, in basis points, rounded up."""

    dhl_api_key: SecretStr = SecretStr("dhl-sandbox")
    """What a caller of "DHL" has to show."""
    easypost_api_key: SecretStr = SecretStr("easypost-sandbox")
    """What a caller of "EasyPost" has to show."""
    easypost_webhook_secret: SecretStr = SecretStr("easypost-secret")
    """With which "EasyPost" signs its messages."""
    easypost_webhook_url: str = ""
    """Where its messages go; empty: nowhere."""

    floats: tuple[Float, ...] = ()
    """What the providers hold for the platform at the beginning."""


def pem_text(value: str) -> str:
    """The text of a key or certificate, which may be in a file; `ValueError`, which never shows it."""
    if "-----BEGIN" in value or len(value) > 300 or not value:  # noqa: PLR2004 no path is as long as a key
        return value
    try:
        return Path(value).read_text(encoding="ascii")
    except (OSError, ValueError):
        raise ValueError("neither a key nor the path of a file that can be read") from None
