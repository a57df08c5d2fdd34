"""Talking to a carrier with every bound named: total time, size of the answer, no redirects, no proxies.

Whatever goes wrong becomes one of two words of the port: trouble (try again) or refused (never again).
A carrier's answer is hostile input until it has been read (OWASP API10).
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
from msgspec import Struct

from carrier_gateway.application.carrier_port import CarrierRefused, CarrierTrouble

CONNECTIONS_MAX: Final = 20
ANSWER_BYTES_MAX: Final = 2 * 1024 * 1024
RETRY_AFTER_DIGITS_MAX: Final = 6
SECOND_MS: Final = 1_000

_OK: Final = range(200, 300)
_CREDENTIALS: Final = frozenset({401, 403})
_WAIT: Final = frozenset({408, 425, 429})


class Answer(Struct, frozen=True):
    """A complete answer of the carrier."""

    status: int
    body: bytes
    retry_after_ms: int = 0

    @property
    def ok(self) -> bool:
        return self.status in _OK


class BoundedHttp:
    """One connection pool to one carrier. `timeout_s` bounds a whole exchange, not one read of it."""

    def __init__(self, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
        )

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        json: Any = None,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """One request and its whole answer; raises `CarrierTrouble` for all that never became an answer."""
        content = None if json is None else msgspec.json.encode(json)
        sent = dict(headers) if json is None else {**headers, "Content-Type": "application/json"}
        try:
            async with asyncio.timeout(self._timeout_s):
                request = self._client.build_request(
                    method, url, headers=sent, params=params, content=content
                )
                response = await self._client.send(request, stream=True)
                try:
                    return Answer(
                        response.status_code,
                        await _bounded_body(response, bytes_max),
                        _retry_after_ms(response),
                    )
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise CarrierTrouble(f"{method} to the carrier failed: {type(error).__name__}") from error

    async def stop(self) -> None:
        await self._client.aclose()


def judged(answer: Answer) -> Answer:
    """Return a good answer; otherwise raise by whose fault it is.

    Wrong credentials are trouble: an operator repairs them, and no intent may be lost until then.
    """
    if answer.ok:
        return answer
    if answer.status in _CREDENTIALS:
        raise CarrierTrouble(f"the carrier does not accept our credentials ({answer.status})")
    if answer.status in _WAIT or answer.status not in range(400, 500):
        raise CarrierTrouble(f"the carrier answered {answer.status}", answer.retry_after_ms)
    raise CarrierRefused("CARRIER_REFUSED", f"the carrier answered {answer.status}")


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object; raises `CarrierTrouble` for anything else."""
    value = json_object(body)
    if value is None:
        raise CarrierTrouble("the carrier's answer is not a JSON object")
    return value


def json_object(body: bytes) -> dict[str, Any] | None:
    """A JSON object as it is, or None. Depth and numbers are bounded by the parser."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def _bounded_body(response: httpx.Response, bytes_max: int) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > bytes_max:
            raise CarrierTrouble(f"the carrier's answer is larger than {bytes_max} bytes")
    return bytes(body)


def _retry_after_ms(response: httpx.Response) -> int:
    text = response.headers.get("retry-after", "")
    return int(text) * SECOND_MS if text.isdecimal() and len(text) <= RETRY_AFTER_DIGITS_MAX else 0
