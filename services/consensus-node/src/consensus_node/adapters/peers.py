"""Other nodes over HTTP: their catch-up endpoint, with bounds on everything they may send.

Which peer is asked first moves on with every question, so that one that lies is not asked for ever; one that
is silent is asked last for a while.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import httpx
import msgspec
from msgspec import Struct

from sps.chain.batch import BATCH_BYTES_MAX, BATCH_HEADER_BYTES, Batch, decode_batch
from sps.chain.binary import Malformed, Reader
from sps.chain.block import Committed, decode_committed
from sps.runtime.errors import Trouble
from sps.signing import SIGNATURE_BYTES

TIMEOUT_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
STATUS_BYTES_MAX: Final = 16 * 1024
BATCH_ANSWER_BYTES_MAX: Final = BATCH_HEADER_BYTES + SIGNATURE_BYTES + BATCH_BYTES_MAX
BLOCKS_MAX: Final = 256
NOT_FOUND: Final = 404
SILENT_S: Final = 10.0
"""A peer that is paused costs a whole timeout; so for this long the others are asked before it."""

T = TypeVar("T")


class PeerStatus(Struct, frozen=True):
    """What of a peer's status is used: a hint where to look for more."""

    final_height: int


class HttpPeers:
    """All peers of a node as one source."""

    def __init__(self, urls: Sequence[str], transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._turn = 0
        self._silent: dict[str, float] = {}
        """Who gave no answer is asked last until then."""
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, transport=transport, trust_env=False)

    async def stop(self) -> None:
        await self._client.aclose()

    async def heights(self) -> int:
        """The highest final height that any peer claims; 0 when none answers."""
        answers = await asyncio.gather(*(self._height(url) for url in self._urls))
        return max(answers, default=0)

    async def blocks(self, first: int, limit: int) -> Sequence[Committed]:
        """Blocks from `first` on, from the first peer that has any; raises `Trouble` when none has."""
        asked = min(limit, BLOCKS_MAX)

        async def ask(url: str) -> Sequence[Committed] | None:
            raw = await self._get(f"{url}/v1/blocks?from={first}&limit={asked}", ANSWER_BYTES_MAX)
            return decode_blocks(raw, asked) if raw else None

        return await self._first(ask) or ()

    async def batch(self, name: bytes) -> Batch | None:
        """The batch with this digest from the first peer that has one; unverified."""

        async def ask(url: str) -> Batch | None:
            raw = await self._get(f"{url}/v1/batches/{name.hex()}", BATCH_ANSWER_BYTES_MAX)
            return decode_batch(raw) if raw else None

        return await self._first(ask)

    async def _height(self, url: str) -> int:
        try:
            raw = await self._get(f"{url}/v1/status", STATUS_BYTES_MAX)
            return msgspec.json.decode(raw or b"{}", type=PeerStatus).final_height
        except (Trouble, msgspec.MsgspecError):
            return 0

    async def _first(self, ask: Callable[[str], Awaitable[T | None]]) -> T | None:
        """Ask one peer after the other; None when all answered and none had it."""
        answered = False
        for url in self._in_order():
            try:
                found = await ask(url)
            except (Trouble, Malformed):
                self._silent[url] = asyncio.get_running_loop().time() + SILENT_S
                continue
            self._silent.pop(url, None)
            answered = True
            if found is not None:
                return found
        if not answered:
            raise Trouble("no peer answers")
        return None

    def _in_order(self) -> list[str]:
        """Another one first at each time; those that just now gave no answer last."""
        self._turn = (self._turn + 1) % max(1, len(self._urls))
        now_s = asyncio.get_running_loop().time()
        turned = [*self._urls[self._turn :], *self._urls[: self._turn]]
        return sorted(turned, key=lambda url: self._silent.get(url, 0.0) > now_s)

    async def _get(self, url: str, bytes_max: int) -> bytes | None:
        """The body, bounded; None for 404."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._client.stream("GET", url) as answer:
                if answer.status_code == NOT_FOUND:
                    return None
                answer.raise_for_status()
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > bytes_max:
                        raise Trouble(f"{url} sends more than {bytes_max} bytes")
                return bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Trouble(f"{url}: {error!r}") from error


def decode_blocks(raw: bytes, limit: int) -> list[Committed]:
    """Read the answer to a question for blocks: length 4 and record, repeated."""
    reader = Reader(raw)
    found: list[Committed] = []
    left = len(raw)
    while left and len(found) < limit:
        size = reader.u32()
        found.append(decode_committed(reader.take(size)))
        left -= size + 4
    return found
