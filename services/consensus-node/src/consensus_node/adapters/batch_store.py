"""Checked batches on this node's own disk: a vote for a block says that its batches are here, synced.

One append-only file; the index (digest → byte) is rebuilt at the start. A torn end is cut and fetched again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from consensus_node.adapters.disk import DiskThread, GroupSync
from consensus_node.adapters.frames import AppendFile, encode_frame
from sps.chain.batch import BATCH_HEADER_BYTES, Batch, decode_batch, decode_header, digest, encode_batch

_MAGIC: Final = b"SPSBAT1\n"
_BATCH: Final = 1


class StoredBatch(Struct, frozen=True):
    """Where a batch stands in the file, its bytes there, and its place in its producer's chain."""

    start: int
    size: int
    producer_id: int
    seq: int


class BatchStore:
    """Appends any batch once, reads by digest."""

    def __init__(self, path: Path, chain_id: bytes) -> None:
        self._file = AppendFile(path, _MAGIC + chain_id)
        self._index: dict[bytes, StoredBatch] = {}
        self._group: GroupSync | None = None

    def open(self, disk: DiskThread) -> None:
        """Rebuild the index; raise `Damaged` when the file does not read in its middle."""
        self._file.path.parent.mkdir(parents=True, exist_ok=True)
        for frame in self._file.open():
            header = decode_header(frame.payload[:BATCH_HEADER_BYTES])
            self._index[digest(header)] = StoredBatch(
                frame.start, frame.end - frame.start, header.producer_id, header.seq
            )
        self._group = GroupSync(disk, self._file.sync)

    def __contains__(self, name: bytes) -> bool:
        return name in self._index

    def __len__(self) -> int:
        return len(self._index)

    def stored(self) -> Iterator[tuple[bytes, StoredBatch]]:
        """All batches by digest, in order of storing."""
        return iter(self._index.items())

    def append(self, name: bytes, batch: Batch) -> None:
        """Keep a checked batch under its digest; a repeat changes nothing. Durable after `sync`."""
        if name not in self._index:
            raw = encode_frame(_BATCH, encode_batch(batch))
            start = self._file.append((raw,))
            self._index[name] = StoredBatch(start, len(raw), batch.header.producer_id, batch.header.seq)

    async def sync(self) -> None:
        """Return when all that was appended is durable."""
        if self._group is not None:
            await self._group.sync()

    def record(self, name: bytes) -> bytes | None:
        """The bytes of a batch, or None."""
        stored = self._index.get(name)
        return None if stored is None else self._file.read(stored.start, stored.size).payload

    def batch(self, name: bytes) -> Batch | None:
        raw = self.record(name)
        return None if raw is None else decode_batch(raw)

    def close(self) -> None:
        self._file.close()
