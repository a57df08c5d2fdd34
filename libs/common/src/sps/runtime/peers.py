"""Validators' HTTP addresses as a second source of final blocks and batches. Nothing they say is believed.

`GET {url}/v1/blocks?from=H&limit=N`: records of committed blocks, each length 4 (big-endian) | bytes.
`GET {url}/v1/batches/{digest in hex}`: the record of one batch. The caller verifies both.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import httpx

from sps.runtime.errors import Trouble

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
TIMEOUT_S: Final = 3.0
CONNECTIONS_MAX: Final = 4
LENGTH_BYTES: Final = 4
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
    """Asks one validator after the other; the one that answered last is asked first."""

    def __init__(self, urls: Sequence[str], client: httpx.AsyncClient | None = None) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._client: Final = client or httpx.AsyncClient(
            timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=CONNECTIONS_MAX), trust_env=False
        )

    async def blocks(self, first: int, limit: int) -> list[bytes]:
        for url in list(self._urls):
            raw = await self._get(url, f"/v1/blocks?from={first}&limit={limit}")
            records = split_records(raw) if raw else []
            if records:
                self._prefer(url)
                return records
        return []

    async def batch(self, digest: bytes) -> bytes | None:
        for url in list(self._urls):
            raw = await self._get(url, f"/v1/batches/{digest.hex()}")
            if raw:
                self._prefer(url)
                return raw
        return None

    async def stop(self) -> None:
        await self._client.aclose()

    def _prefer(self, url: str) -> None:
        self._urls.remove(url)
        self._urls.insert(0, url)

    async def _get(self, url: str, path: str) -> bytes | None:
        """The body of a good answer; None for everything else: another validator is asked then."""
        try:
            async with self._client.stream("GET", url + path) as answer:
                return await _body(answer) if answer.status_code == OK else None
        except (httpx.HTTPError, Trouble):
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
