"""Final blocks on this node's own disk, heights 1, 2, 3 … without gaps: the broker is never the only copy.

One append-only file; the index (height → byte) is rebuilt at the start. A torn end is cut and fetched again.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from consensus_node.adapters.disk import DiskThread, GroupSync
from consensus_node.adapters.frames import AppendFile, Damaged, encode_frame
from sps.chain.block import Committed, decode_committed, encode_committed
from sps.chain.header import HEADER_BYTES, height_of
from sps.runtime.errors import Defect

_MAGIC: Final = b"SPSBLK1\n"
_COMMITTED: Final = 1
READ_BYTES_MAX: Final = 4_000_000


class BlockStore:
    """Appends in height order, reads by height."""

    def __init__(self, path: Path, chain_id: bytes) -> None:
        self._file = AppendFile(path, _MAGIC + chain_id)
        self._starts = array("Q")
        self._group: GroupSync | None = None

    def open(self, disk: DiskThread) -> None:
        """Rebuild the index; raise `Damaged` when the file does not read in its middle."""
        self._file.path.parent.mkdir(parents=True, exist_ok=True)
        for frame in self._file.open():
            if len(frame.payload) < HEADER_BYTES or height_of(frame.payload) != self.height + 1:
                raise Damaged(self._file.path, frame.start)
            self._starts.append(frame.start)
        self._group = GroupSync(disk, self._file.sync)

    @property
    def height(self) -> int:
        """The newest height; 0 when there is none."""
        return len(self._starts)

    def append(self, committed: Committed) -> None:
        """Keep the next height; durable after `sync`."""
        if committed.header.height != self.height + 1:
            raise Defect(f"block {committed.header.height} does not follow {self.height}")
        raw = encode_frame(_COMMITTED, encode_committed(committed))
        self._starts.append(self._file.append((raw,)))

    async def sync(self) -> None:
        """Return when all that was appended is durable."""
        if self._group is not None:
            await self._group.sync()

    def record(self, height: int) -> bytes:
        """The bytes of the block at a height from 1 to `height`."""
        start = self._starts[height - 1]
        return self._file.read(start, self._end_of(height) - start).payload

    def block(self, height: int) -> Committed:
        return decode_committed(self.record(height))

    def records(self, first: int, limit: int) -> Sequence[bytes]:
        """The records from height `first` on, at most `limit` of them, bounded in bytes."""
        first, last = max(first, 1), min(first + limit - 1, self.height)
        if last < first:
            return []
        start = self._starts[first - 1]
        last = max(first, bisect_right(self._starts, start + READ_BYTES_MAX, first - 1, last))
        return [frame.payload for frame in self._file.read_run(start, self._end_of(last))]

    def _end_of(self, height: int) -> int:
        return self._starts[height] if height < self.height else self._file.written

    def close(self) -> None:
        self._file.close()
