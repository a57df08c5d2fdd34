"""Sends one message: bounded in time and size, no redirects, no proxies of the environment."""

import asyncio
from typing import Final

import httpx

TIMEOUT_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 4 * 1024
CONNECTIONS_MAX: Final = 16


class HttpSender:
    """The port `Sender`."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        )

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._client.stream("POST", url, content=body, headers=headers) as response,
            ):
                answer = bytearray()
                async for piece in response.aiter_bytes():
                    answer += piece
                    if len(answer) > ANSWER_BYTES_MAX:
                        break
                return response.status_code, answer[:ANSWER_BYTES_MAX].decode("utf-8", "replace")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            return 0, type(error).__name__

    async def stop(self) -> None:
        await self._client.aclose()
