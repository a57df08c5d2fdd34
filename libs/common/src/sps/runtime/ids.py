"""New identifiers at the edge: time from a clock, randomness from the operating system."""

import secrets
from typing import Final

from sps import identifiers
from sps.runtime.clock import Clock, SystemClock

_system: Final = SystemClock()


def new_id(prefix: str, clock: Clock = _system) -> str:
    """A fresh identifier such as `ctr_01jd…`; the prefixes are those of `sps.identifiers`."""
    return identifiers.make(prefix, clock.now_ms(), secrets.token_bytes(identifiers.RANDOM_BYTES))
