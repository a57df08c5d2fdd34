"""Append-only files of frames: length 4, type 1, payload, CRC-32 4; the CRC covers length, type and payload.

A file begins with a head that names its format and its owner. What a crash leaves at the very end (a frame
cut short, or blocks never written: zeros) is a torn write and is cut; anything else that does not read is
damage, and nobody may go on as if it were not there.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from sps.runtime.errors import Defect, Refusal

_HEAD: Final = struct.Struct(">IB")
_CRC: Final = struct.Struct(">I")
FRAME_OVERHEAD: Final = _HEAD.size + _CRC.size
PAYLOAD_BYTES_MAX: Final = 2 * 1024 * 1024
READ_BYTES: Final = 4 * 1024 * 1024
"""A file is read in pieces of this size; every frame fits into one."""
RESCAN_BYTES_MAX: Final = 16 * 1024 * 1024
"""A torn write is one unsynced group; more unreadable bytes than this are damage."""


class Damaged(Refusal):
    """A file does not read in its middle; the message names it and the place."""

    def __init__(self, path: Path, at: int) -> None:
        super().__init__("FILE_DAMAGED", f"{path} is damaged at byte {at}; it is neither used nor repaired")


class Frame(Struct, frozen=True):
    """One record where it stands: `start` is the byte of its length field."""

    start: int
    kind: int
    payload: bytes

    @property
    def end(self) -> int:
        return self.start + FRAME_OVERHEAD + len(self.payload)


def encode_frame(kind: int, payload: bytes) -> bytes:
    """The bytes of one frame."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Defect(f"a record of {len(payload)} bytes is beyond {PAYLOAD_BYTES_MAX}")
    head = _HEAD.pack(len(payload), kind)
    return head + payload + _CRC.pack(_crc(head, payload))


def read_frame(raw: bytes, at: int = 0, base: int = 0) -> Frame | None:
    """The whole and sound frame that begins at `at`, or None; the bytes stand at `base` of their file."""
    if at + FRAME_OVERHEAD > len(raw):
        return None
    length, kind = _HEAD.unpack_from(raw, at)
    end = at + FRAME_OVERHEAD + length
    if length > PAYLOAD_BYTES_MAX or kind == 0 or end > len(raw):
        return None
    payload = raw[at + _HEAD.size : end - _CRC.size]
    if _CRC.unpack_from(raw, end - _CRC.size)[0] != _crc(raw[at : at + _HEAD.size], payload):
        return None
    return Frame(base + at, kind, payload)


def is_torn(rest: bytes) -> bool:
    """Tell whether unreadable bytes at the end of a file are a write that a crash cut short.

    Not torn, but damage: a sound frame follows somewhere; the frame is complete but its CRC is wrong and not
    zero; or the bytes would be a sound frame if only its length field said so.
    """
    if len(rest) > RESCAN_BYTES_MAX:
        return False
    if not rest.strip(b"\0"):
        return True
    if any(read_frame(rest, at) is not None for at in range(1, len(rest) - FRAME_OVERHEAD + 1)):
        return False
    if len(rest) < FRAME_OVERHEAD:
        return True
    length, kind = _HEAD.unpack_from(rest)
    tail = rest[-_CRC.size :]
    if length + FRAME_OVERHEAD > len(rest):
        payload = rest[_HEAD.size : -_CRC.size]
        return _CRC.pack(_crc(_HEAD.pack(len(payload), kind), payload)) != tail
    return tail == bytes(_CRC.size)


def _crc(head: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(head))


class AppendFile:
    """One append-only file with its head. After a failed write or sync it is never written again.

    `written` counts bytes that are in the file, `synced` those that survive a power cut.
    """

    def __init__(self, path: Path, head: bytes) -> None:
        self.path: Final = path
        self._head: Final = head
        self._fd = -1
        self._broken = False
        self.written = 0
        self.synced = 0

    def open(self, *, last: bool = True) -> Iterator[Frame]:
        """Read all frames in order, then stand ready to append; unless `last`, no torn end is forgiven."""
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(self._fd).st_size
        yield from self._read_all(size, last)

    def _read_all(self, size: int, last: bool) -> Iterator[Frame]:
        head = os.pread(self._fd, len(self._head), 0)
        if len(head) < len(self._head) and last and self._head.startswith(head.rstrip(b"\0")):
            self._begin()
            return
        if head != self._head:
            raise Damaged(self.path, 0)
        at = len(head)
        for frame in self._frames(at, size):
            yield frame
            at = frame.end
        if at < size:
            rest = os.pread(self._fd, min(size - at, RESCAN_BYTES_MAX + 1), at)
            if not (last and is_torn(rest)):
                raise Damaged(self.path, at)
            os.ftruncate(self._fd, at)
            os.fsync(self._fd)
        self.written = self.synced = at

    def _frames(self, at: int, end: int) -> Iterator[Frame]:
        """The sound frames from `at` on, up to the first that is none."""
        while at < end:
            raw = os.pread(self._fd, min(READ_BYTES, end - at), at)
            inside = 0
            while (frame := read_frame(raw, inside, at)) is not None:
                yield frame
                inside = frame.end - at
            if not inside:
                return
            at += inside

    def _begin(self) -> None:
        os.ftruncate(self._fd, 0)
        os.write(self._fd, self._head)
        os.fsync(self._fd)
        sync_folder(self.path.parent)
        self.written = self.synced = len(self._head)

    def append(self, frames: Iterable[bytes]) -> int:
        """Write frames behind each other; returns where the first one begins. Not yet durable: `sync`."""
        raw = b"".join(frames)
        start = self.written
        self._guarded(lambda: _write_all(self._fd, raw))
        self.written += len(raw)
        return start

    def sync(self) -> None:
        """Make durable what was appended before this call."""
        written = self.written
        if written > self.synced:
            self._guarded(lambda: os.fdatasync(self._fd))
            self.synced = max(self.synced, written)

    def read(self, start: int, size: int) -> Frame:
        """Read the frame of `size` bytes at `start`; a frame that no longer reads is damage."""
        frame = read_frame(os.pread(self._fd, size, start), base=start)
        if frame is None:
            raise Damaged(self.path, start)
        return frame

    def read_run(self, start: int, end: int) -> list[Frame]:
        """Read the frames that fill the bytes from `start` to `end`."""
        frames = list(self._frames(start, end))
        reached = frames[-1].end if frames else start
        if reached != end:
            raise Damaged(self.path, reached)
        return frames

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _guarded(self, act: Callable[[], None]) -> None:
        """After a failed fsync the kernel may have dropped the pages: nothing can be trusted any more."""
        if self._broken or self._fd < 0:
            raise Defect(f"{self.path} is closed or failed before")
        try:
            act()
        except OSError as error:
            self._broken = True
            raise Defect(f"{self.path} cannot be written: {error}") from error


def _write_all(fd: int, raw: bytes) -> None:
    view = memoryview(raw)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
