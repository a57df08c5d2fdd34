"""Validators' HTTP addresses as a second source of final blocks and batches. Nothing they say is believed.

`GET {url}/v1/blocks?from=H&limit=N`: records of committed blocks, each length 4 (big-endian) | bytes.
`GET {url}/v1/batches/{digest in hex}`: the record of one batch. The caller verifies both.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import httpx

from sps.runtime.errors import Trouble

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
TIMEOUT_S: Final = 3.0
"""For a connection, and between two pieces of an answer."""
ANSWER_S: Final = 10.0
"""For a whole answer, however slowly it trickles."""
CONNECTIONS_MAX: Final = 4
LENGTH_BYTES: Final = 4
ASKED_MAX: Final = 16
"""Newest questions that are remembered."""
OK: Final = 200
NOT_FOUND: Final = 404


class BlockSource(Protocol):
    """Where missing blocks and batches are asked for."""

    async def blocks(self, first: int, limit: int) -> list[bytes]:
        """Records of blocks from height `first` on, as far as the asked one has them; [] when it has none."""

    async def batch(self, digest: bytes) -> bytes | None:
        """The record of the batch with this digest, or None when nobody has it."""

    async def stop(self) -> None:
        """Close all connections."""


class Peers:
    """Asks one validator after the other; the one that answered last is asked first.

    Whoever asks the same thing again got an answer that proved nothing: then another one is asked first.
    """

    def __init__(self, urls: Sequence[str], client: httpx.AsyncClient | None = None) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._client: Final = client or httpx.AsyncClient(
            timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=CONNECTIONS_MAX), trust_env=False
        )
        self._asked: Final[deque[int | bytes]] = deque(maxlen=ASKED_MAX)

    async def blocks(self, first: int, limit: int) -> list[bytes]:
        self._turn(first)
        for url in list(self._urls):
            raw = await self._get(url, f"/v1/blocks?from={first}&limit={limit}")
            records = split_records(raw) if raw else []
            if records:
                self._answered(first, url)
                return records
        return []

    async def batch(self, digest: bytes) -> bytes | None:
        self._turn(digest)
        for url in list(self._urls):
            raw = await self._get(url, f"/v1/batches/{digest.hex()}")
            if raw:
                self._answered(digest, url)
                return raw
        return None

    async def stop(self) -> None:
        await self._client.aclose()

    def _turn(self, question: int | bytes) -> None:
        """Asked again: what the first one answered was of no use."""
        if question in self._asked:
            self._asked.remove(question)
            self._urls.append(self._urls.pop(0))

    def _answered(self, question: int | bytes, url: str) -> None:
        self._asked.append(question)
        self._urls.remove(url)
        self._urls.insert(0, url)

    async def _get(self, url: str, path: str) -> bytes | None:
        """The body of a good answer; None for everything else: another validator is asked then."""
        try:
            async with asyncio.timeout(ANSWER_S), self._client.stream("GET", url + path) as answer:
                return await _body(answer) if answer.status_code == OK else None
        except (httpx.HTTPError, TimeoutError, Trouble):
            return None


async def _body(answer: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            raise Trouble(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)


def split_records(raw: bytes) -> list[bytes]:
    """The records of a `/v1/blocks` answer; a cut-off end is left out."""
    records: list[bytes] = []
    at = 0
    while at + LENGTH_BYTES <= len(raw):
        end = at + LENGTH_BYTES + int.from_bytes(raw[at : at + LENGTH_BYTES], "big")
        if end > len(raw):
            break
        records.append(raw[at + LENGTH_BYTES : end])
        at = end
    return records


def join_records(records: Sequence[bytes]) -> bytes:
    """The body of a `/v1/blocks` answer."""
    return b"".join(len(record).to_bytes(LENGTH_BYTES, "big") + record for record in records)
