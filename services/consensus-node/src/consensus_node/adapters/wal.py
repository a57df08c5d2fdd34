"""The write-ahead log of a validator: what it must never forget, synced before it is said.

Segments `wal-NNNNNNNN.log` of frames; their heads name chain and key. A torn end of the last segment is cut;
any other damage means that the node may not vote. Segments whose views all lie below a final one go.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from consensus_node.adapters.disk import DiskThread
from consensus_node.adapters.frames import AppendFile, Damaged, encode_frame, sync_folder
from consensus_node.core.durable import (
    EpochBegun,
    Finalized,
    Record,
    decode_record,
    encode_record,
    view_of,
)
from sps.chain.binary import Malformed

SEGMENT_BYTES: Final = 1024 * 1024
BUFFER_BYTES_MAX: Final = 256 * 1024
_MAGIC: Final = b"SPSWAL1\n"


class _Segment:
    """One file, and the highest view that anything in it is about."""

    def __init__(self, number: int, file: AppendFile) -> None:
        self.number = number
        self.file = file
        self.top_view = 0


class Wal:
    """Open, read once, then append. Use from one loop; syncs run on a thread."""

    def __init__(
        self, folder: Path, chain_id: bytes, public_key: bytes, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._head = _MAGIC + chain_id + public_key
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._newest: dict[type[Record], Record] = {}

    def open(self, disk: DiskThread) -> tuple[Record, ...]:
        """Read the whole log in order; raise `Damaged` with the file's name when it cannot be trusted."""
        self._disk = disk
        self._folder.mkdir(parents=True, exist_ok=True)
        names = sorted(self._folder.glob("wal-*.log"))
        records: list[Record] = []
        for place, path in enumerate(names):
            number = int(path.stem.removeprefix("wal-"))
            if self._segments and number != self._segments[-1].number + 1:
                raise Damaged(path.with_name(f"wal-{number - 1:08d}.log"), 0)
            segment = _Segment(number, AppendFile(path, self._head))
            self._segments.append(segment)
            records += self._read(segment, last=place == len(names) - 1)
        if not self._segments:
            self._roll()
        return tuple(records)

    def _read(self, segment: _Segment, *, last: bool) -> Iterable[Record]:
        for frame in segment.file.open(last=last):
            try:
                record = decode_record(frame.kind, frame.payload)
            except Malformed as error:
                raise Damaged(segment.file.path, frame.start) from error
            self._note(segment, record)
            yield record

    def _note(self, segment: _Segment, record: Record) -> None:
        segment.top_view = max(segment.top_view, view_of(record) or 0)
        if isinstance(record, EpochBegun | Finalized):
            self._newest[type(record)] = record

    async def append(self, records: Sequence[Record], *, sync: bool) -> None:
        """Take records in order; with `sync` return when they, and all before them, are durable."""
        for record in records:
            raw = encode_frame(*encode_record(record))
            self._buffer.append(raw)
            self._buffered += len(raw)
            self._note(self._segments[-1], record)
        if sync or self._buffered > BUFFER_BYTES_MAX:
            frames, self._buffer, self._buffered = self._buffer, [], 0
            await self._disk.run(lambda: self._write(frames))

    def _write(self, frames: Sequence[bytes]) -> None:
        file = self._segments[-1].file
        file.append(frames)
        file.sync()

    async def forget(self, below_view: int) -> int:
        """Remove the oldest segments that are all about views below this; returns how many went.

        The newest final height and epoch are written anew first, so that no old segment alone says them; what
        is final beyond a segment is durable before the segment goes.
        """
        if self._segments[-1].file.written >= self._segment_bytes:
            await self.append((), sync=True)
            await self._disk.run(self._roll)
            await self.append(tuple(self._newest.values()), sync=True)
        if not self._is_over(below_view):
            return 0
        await self.append((), sync=True)
        gone = 0
        while self._is_over(below_view):
            await self._disk.run(self._remove_oldest)
            gone += 1
        return gone

    def _is_over(self, below_view: int) -> bool:
        """The oldest segment is not the one that is written, and says nothing that is still needed."""
        return len(self._segments) > 1 and self._segments[0].top_view < below_view

    def _roll(self) -> None:
        number = self._segments[-1].number + 1 if self._segments else 1
        segment = _Segment(number, AppendFile(self._folder / f"wal-{number:08d}.log", self._head))
        for _ in segment.file.open():
            raise Damaged(segment.file.path, 0)
        self._segments.append(segment)

    def _remove_oldest(self) -> None:
        segment = self._segments.pop(0)
        segment.file.close()
        segment.file.path.unlink()
        sync_folder(self._folder)

    def close(self) -> None:
        """Close the files. What was not synced was never said, and may be lost."""
        for segment in self._segments:
            segment.file.close()
        self._segments.clear()


class NoLog:
    """The log of an observer, which says nothing and so need not remember anything."""

    async def append(self, records: Sequence[Record], *, sync: bool) -> None:
        """Let go of the records."""

    async def forget(self, below_view: int) -> int:  # noqa: ARG002 the port names it
        """Nothing is kept."""
        return 0

    def close(self) -> None:
        """Nothing is open."""
