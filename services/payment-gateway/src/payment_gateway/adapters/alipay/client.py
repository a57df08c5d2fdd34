"""Calls to Alipay's gateway: every request signed, every answer proved over its exact substring.

The answer is JSON with one member `<method with dots as underscores>_response` and `sign`; what is
signed is that member's value exactly as received, so it is cut out and never spelled again.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from payment_gateway.adapters.alipay.mapping import Answer
from payment_gateway.adapters.alipay.signing import request_string, sign, signed_query, verify
from payment_gateway.adapters.http_exchange import HttpExchange
from payment_gateway.application.ports import ProviderTrouble

CHINA: Final = timezone(timedelta(hours=8))
HTTP_OK: Final = 200
MEMBERS_MAX: Final = 8

_WHITE: Final = " \t\r\n"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decoder: Final = json.JSONDecoder(parse_float=str, parse_constant=_no_constant)


class Identity(msgspec.Struct, frozen=True):
    """Who we are to Alipay. The serial numbers are set in certificate mode, which transfers need."""

    app_id: str
    private_key: RSAPrivateKey
    alipay_key: RSAPublicKey
    app_cert_sn: str = ""
    root_cert_sn: str = ""


class AlipayClient:
    """Signed requests to one gateway. `now_ms` is Unix milliseconds."""

    def __init__(
        self, gateway: str, identity: Identity, exchange: HttpExchange, now_ms: Callable[[], int]
    ) -> None:
        self._gateway = gateway
        self._identity = identity
        self._exchange = exchange
        self._now_ms = now_ms

    def page_url(self, method: str, biz_content: Mapping[str, Any], *, notify: str, back: str) -> str:
        """The signed address to which the buyer is sent; the server itself does not call it."""
        params = self._params(method, biz_content) | {"notify_url": notify, "return_url": back}
        return f"{self._gateway}?{signed_query(self._identity.private_key, params)}"

    async def call(self, method: str, biz_content: Mapping[str, Any]) -> Answer:
        """One call; raises `ProviderTrouble` unless the answer is complete and Alipay's own."""
        params = self._params(method, biz_content)
        signed = params | {"sign": sign(self._identity.private_key, request_string(params))}
        # The gateway wants the charset in the address, the rest may stand in the form.
        answer = await self._exchange.send("POST", f"{self._gateway}?charset=utf-8", form=signed)
        if answer.status != HTTP_OK:
            raise ProviderTrouble(f"status {answer.status}")
        return read_answer(answer.body, method, self._identity.alipay_key)

    def _params(self, method: str, biz_content: Mapping[str, Any]) -> dict[str, str]:
        params = {
            "app_id": self._identity.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": china_time(self._now_ms()),
            "version": "1.0",
            "app_cert_sn": self._identity.app_cert_sn,
            "alipay_root_cert_sn": self._identity.root_cert_sn,
            "biz_content": msgspec.json.encode(biz_content).decode(),
        }
        return {name: value for name, value in params.items() if value}


def china_time(unix_ms: int) -> str:
    """`yyyy-MM-dd HH:mm:ss` in China, as the gateway wants it."""
    return datetime.fromtimestamp(unix_ms // 1000, CHINA).strftime("%Y-%m-%d %H:%M:%S")


def read_answer(body: bytes, method: str, alipay_key: RSAPublicKey) -> Answer:
    """Cut the signed member out, prove it, and return its fields; raises `ProviderTrouble`."""
    try:
        text = body.decode()
        members = _members(text)
    except (ValueError, RecursionError) as error:
        raise ProviderTrouble("the answer is not JSON") from error
    name = method.replace(".", "_") + "_response"
    found = members.get(name) or members.get("error_response")
    signature = members.get("sign", ("", None))[1]
    if found is None or not isinstance(signature, str):
        # An error without a signature proves nothing, whatever it says.
        raise ProviderTrouble("the answer is not signed")
    substring, value = found
    if not isinstance(value, dict) or not verify(alipay_key, substring, signature):
        raise ProviderTrouble("the answer's signature is not Alipay's")
    return Answer(value, substring.encode())


def _members(text: str) -> dict[str, tuple[str, Any]]:
    """The members of the outer object, each with the exact text of its value."""
    members: dict[str, tuple[str, Any]] = {}
    at = _expect(text, 0, "{")
    while len(members) < MEMBERS_MAX:
        key, at = _decoder.raw_decode(text, _skip(text, at))
        start = _skip(text, _expect(text, at, ":"))
        value, at = _decoder.raw_decode(text, start)
        if not isinstance(key, str) or key in members:
            raise ValueError("a key that is no text or stands twice")
        members[key] = (text[start:at], value)
        at = _skip(text, at)
        if text[at : at + 1] == "}":
            if _skip(text, at + 1) != len(text):
                raise ValueError("something follows the answer")
            return members
        at = _expect(text, at, ",")
    raise ValueError("too many members")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITE:
        at += 1
    return at


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"{mark} expected")
    return at + 1
