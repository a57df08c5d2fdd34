"""Words of strangers become words of ours: bounded, lower case, and never a crash."""

import hashlib
import re
from typing import Final

NAME_MAX: Final = 40
REFERENCE_MAX: Final = 128

_OTHER: Final = re.compile(r"[^a-z0-9_.-]+")


def reason_name(text: str) -> str:
    """A provider's error word as a name of the vocabulary: `ACQ.TRADE_NOT_EXIST` → `acq.trade_not_exist`."""
    name = _OTHER.sub("_", text.lower()).strip("_.-")[:NAME_MAX]
    return name or "unknown"


def event_name(text: str) -> str:
    """A provider's number of an event as a key of ours: itself when it can be one, else its digest."""
    if not text or is_reference(text):
        return text
    return f"sha256.{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def is_reference(text: object) -> bool:
    """Tell whether a provider's number can stand in a transaction."""
    return isinstance(text, str) and 0 < len(text) <= REFERENCE_MAX and text.isascii() and text.isprintable()
