"""What all use cases share: the clock, the names we give, who we pretend to be, the alarm of the postman."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from msgspec import Struct

from sandbox.core.alipay_words import china
from sps.runtime.clock import Clock

DIGITS_OF_TRADE: Final = 20


class Alipay(Struct, frozen=True):
    """Alipay's side of the agreement with one merchant's application."""

    app_id: str
    seller_id: str
    key: RSAPrivateKey
    merchant_key: RSAPublicKey
    app_cert_sn: str
    root_cert_sn: str
    message_url: str

    @property
    def identity(self) -> dict[str, str]:
        """Who is meant, in every notify."""
        return {"app_id": self.app_id, "auth_app_id": self.app_id, "seller_id": self.seller_id}


class Stripe(Struct, frozen=True):
    """Stripe's side of the agreement with one platform account."""

    secret_key: str
    webhook_secret: str
    webhook_url: str
    fee_bp: int


class Carrier(Struct, frozen=True):
    """The carriers' sides of their agreements."""

    dhl_api_key: str
    easypost_api_key: str
    easypost_webhook_secret: str
    easypost_webhook_url: str


class World:
    """The same for all use cases of one sandbox."""

    def __init__(
        self, clock: Clock, public_url: Callable[[], str], alipay: Alipay, stripe: Stripe, carrier: Carrier
    ) -> None:
        self._clock = clock
        self._public_url = public_url
        self.alipay: Final = alipay
        self.stripe: Final = stripe
        self.carrier: Final = carrier
        self.wake: Final = asyncio.Event()

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def url(self, path: str) -> str:
        """An address of ours as others reach it."""
        return self._public_url().rstrip("/") + path

    def token(self, prefix: str) -> str:
        """A fresh identifier such as `pi_3f…`."""
        return f"{prefix}_{secrets.token_hex(12)}"

    def trade_number(self) -> str:
        """28 digits that begin with the day, as Alipay's numbers do."""
        day = china(self.now_ms())[:10].replace("-", "")
        return day + "".join(str(secrets.randbelow(10)) for _ in range(DIGITS_OF_TRADE))
