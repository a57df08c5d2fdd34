"""Calls to Stripe: form-encoded, bearer key, fixed API version, a key on every change.

A clear refusal of Stripe is a value; everything doubtful is `ProviderTrouble`. Stripe's stored answers
of a key may be errors too, so a stored error is not taken for the fate of the order: a query decides.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from payment_gateway.adapters.http_exchange import HttpAnswer, HttpExchange
from payment_gateway.adapters.stripe.mapping import BadObject, Failure, read
from payment_gateway.application.ports import ProviderTrouble

API_VERSION: Final = "2025-09-30.clover"
KEY_MAX: Final = 255
HTTP_OK: Final = 200
CLEAR_REFUSALS: Final = frozenset({400, 402, 404})

DOUBTFUL_CODES: Final = frozenset(
    {"charge_already_refunded", "idempotency_key_in_use", "lock_timeout", "rate_limit", "api_key_expired"}
)
"""Refusals that do not say whether an earlier call with the key was executed."""


class StripeRefused(Exception):
    """Stripe says clearly that it did not do it. `code` is Stripe's word, `status` the HTTP status."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(f"{status} {code}")
        self.code = code
        self.status = status


class StripeAccess(Struct, frozen=True):
    """Where and as whom we call. `base_url` without the version, such as https://api.stripe.com."""

    base_url: str
    secret_key: str

    def __repr__(self) -> str:
        return f"StripeAccess({self.base_url})"


class StripeClient:
    """Raw bodies of good answers; `StripeRefused` or `ProviderTrouble` otherwise."""

    def __init__(self, access: StripeAccess, exchange: HttpExchange) -> None:
        self._access = access
        self._exchange = exchange

    async def post(self, path: str, form: Mapping[str, str], key: str) -> bytes:
        """Make a change under an Idempotency-Key."""
        if not 0 < len(key) <= KEY_MAX:
            raise ValueError("an idempotency key has 1 to 255 characters")
        answer = await self._exchange.send(
            "POST", self._url(path), form=form, headers=self._headers() | {"Idempotency-Key": key}
        )
        return _body(answer)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """Read an object or a list."""
        url = self._url(path) + (f"?{urlencode(query)}" if query else "")
        return _body(await self._exchange.send("GET", url, headers=self._headers()))

    def _url(self, path: str) -> str:
        return f"{self._access.base_url.rstrip('/')}/v1/{quote(path)}"

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access.secret_key}", "Stripe-Version": API_VERSION}


def _body(answer: HttpAnswer) -> bytes:
    if answer.status == HTTP_OK:
        return answer.body
    if answer.status not in CLEAR_REFUSALS:
        raise ProviderTrouble(f"status {answer.status}")
    try:
        error = read(answer.body, Failure).error
    except BadObject as defect:
        raise ProviderTrouble(f"status {answer.status} without a reason") from defect
    if error.type not in {"invalid_request_error", "card_error"} or error.code in DOUBTFUL_CODES:
        raise ProviderTrouble(f"status {answer.status} {error.type} {error.code}")
    raise StripeRefused(error.code or error.type, answer.status)
