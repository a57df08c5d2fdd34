"""Fixed-width binary, big-endian, one spelling per value (`docs/protocol.md`, objects).

Structs of fixed width are packed at once; a `Reader` walks what has length-prefixed lists and refuses
missing and surplus bytes, so that whatever decodes re-encodes to the same bytes.
"""

import struct
from typing import Final

HASH_BYTES: Final = 32
ZERO_HASH: Final = bytes(HASH_BYTES)

_U8: Final = struct.Struct(">B")
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")


class Malformed(ValueError):
    """The bytes are not one object of the format in its only spelling."""


def whole(raw: bytes, size: int, name: str) -> bytes:
    """Return the bytes when there are exactly `size` of them; refuse others."""
    if len(raw) != size:
        raise Malformed(f"{name} has {size} bytes, not {len(raw)}")
    return raw


def check_widths(width: int, *values: bytes) -> None:
    """Refuse a value of another width: `struct` would pad or cut it in silence."""
    for value in values:
        if len(value) != width:
            raise Malformed(f"expected {width} bytes, not {len(value)}")


def u16(value: int) -> bytes:
    """Two bytes, big-endian."""
    return _U16.pack(value)


class Reader:
    """Takes fields from the front of a record; `finish` refuses what is left over."""

    __slots__ = ("_at", "_raw")

    def __init__(self, raw: bytes, start: int = 0) -> None:
        self._raw = raw
        self._at = start

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        start = self._at
        end = start + size
        if end > len(self._raw):
            raise Malformed(f"{end - len(self._raw)} bytes are missing at the end")
        self._at = end
        return self._raw[start:end]

    def u8(self) -> int:
        return int(_U8.unpack(self.take(1))[0])

    def u16(self) -> int:
        return int(_U16.unpack(self.take(2))[0])

    def u32(self) -> int:
        return int(_U32.unpack(self.take(4))[0])

    def count(self, bound: int, name: str) -> int:
        """A list's length (2 bytes), at most `bound`."""
        number = self.u16()
        if number > bound:
            raise Malformed(f"at most {bound} {name}, not {number}")
        return number

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self._raw) - self._at)

    def finish(self) -> None:
        """Refuse surplus bytes."""
        if self._at != len(self._raw):
            raise Malformed(f"{len(self._raw) - self._at} surplus bytes at the end")
