"""One call to a provider: bounded in time and size, no redirects, no proxies of the environment.

Everything that is not a complete answer is `ProviderTrouble`; the caller decides what that means.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import httpx
from msgspec import Struct

from payment_gateway.application.ports import ProviderTrouble

ANSWER_BYTES_MAX: Final = 1024 * 1024
CONNECTIONS_MAX: Final = 32


class HttpAnswer(Struct, frozen=True):
    """A complete answer."""

    status: int
    body: bytes


class HttpExchange:
    """A connection pool with one total deadline per call."""

    def __init__(self, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Make the call; raises `ProviderTrouble` when there is no complete answer in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(method, url, form, headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise ProviderTrouble(f"no complete answer: {type(error).__name__}") from error

    async def _exchange(
        self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> HttpAnswer:
        async with self._client.stream(method, url, data=form, headers=headers) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise ProviderTrouble("the answer is too large")
            return HttpAnswer(response.status_code, bytes(body))

    async def stop(self) -> None:
        await self._client.aclose()
