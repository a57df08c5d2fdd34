"""One value, one spelling: the canonical JSON profile of all that is signed or hashed as text.

A subset of RFC 8785: ASCII keys, no floats, integers within 2^53. A text that does not re-encode
to its own bytes is refused, which also refuses duplicate keys, white space and escapes by choice.
"""

from typing import Any, Final

import msgspec

INTEGER_MAX: Final = 2**53 - 1
DEPTH_MAX: Final = 32

_encoder: Final = msgspec.json.Encoder(order="sorted")
_decoder: Final = msgspec.json.Decoder()


class NotCanonical(ValueError):
    """The bytes or the value are outside the profile."""


def encode(value: Any) -> bytes:
    """Spell a value of dict, list, str, int, bool and None; refuse everything else."""
    _check(value, DEPTH_MAX)
    return _encoder.encode(value)


def decode(raw: bytes) -> Any:
    """Read canonical bytes; refuse bytes that are JSON but spelled in another way."""
    try:
        value = _decoder.decode(raw)
        respelled = encode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical(f"not JSON: {error}") from error
    if respelled != raw:
        raise NotCanonical("the JSON is not in canonical form (sorted ASCII keys, no spaces, no duplicates)")
    return value


def _check(value: Any, depth: int) -> None:
    if depth < 0:
        raise NotCanonical(f"deeper than {DEPTH_MAX} levels")
    match value:
        case dict():
            for key, member in value.items():
                _check_key(key)
                _check(member, depth - 1)
        case list() | tuple():
            for member in value:
                _check(member, depth - 1)
        case _:
            _check_leaf(value)


def _check_key(key: Any) -> None:
    if type(key) is not str or not key.isascii():
        raise NotCanonical("keys are ASCII strings")


def _check_leaf(value: Any) -> None:
    """Exact types only: a subclass (an enum, a text of another library) may be spelled in another way."""
    if value is None or type(value) is bool:
        return
    if type(value) is str:
        _check_text(value)
    elif type(value) is not int:
        raise NotCanonical(f"{type(value).__name__} has no canonical form")
    elif abs(value) > INTEGER_MAX:
        raise NotCanonical("an integer beyond 2^53 is written as a string")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a text holds half of a surrogate pair") from error
