"""Words of strangers become words of ours: bounded, lower case, and never a crash."""

import re
from typing import Final

NAME_MAX: Final = 40
REFERENCE_MAX: Final = 128

_OTHER: Final = re.compile(r"[^a-z0-9_.-]+")


def reason_name(text: str) -> str:
    """A provider's error word as a name of the vocabulary: `ACQ.TRADE_NOT_EXIST` → `acq.trade_not_exist`."""
    name = _OTHER.sub("_", text.lower()).strip("_.-")[:NAME_MAX]
    return name or "unknown"


def is_reference(text: object) -> bool:
    """Tell whether a provider's number can stand in a transaction."""
    return isinstance(text, str) and 0 < len(text) <= REFERENCE_MAX and text.isascii() and text.isprintable()
