"""Free ports that stay free. They lie below the range from which the kernel takes ports for outgoing
connections: a port from that range may be taken by any client while its server is down, even by the very one
that calls it in vain. Several that start and kill servers side by side are each given a range of their own
by `$SPS_PORTS` (`20000-24999`), so that none takes a port of which the server is only down for a moment.
"""

import os
import random
import re
import socket
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
RANGE_VARIABLE: Final = "SPS_PORTS"
LOWEST: Final = 12_000
HIGHEST_WITHOUT_RANGE: Final = 32_767
LOWEST_ASKED: Final = 1_024
HIGHEST_ASKED: Final = 65_535
TRIES: Final = 500
_RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: Final[set[int]] = set()
_dice: Final = random.SystemRandom()


def free_port() -> int:
    """A port of the loopback on which nothing listens and that this process has not given away before."""
    lowest, highest = port_range()
    for _ in range(TRIES):
        port = _dice.randint(lowest, highest)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port between {lowest} and {highest} after {TRIES} tries")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def port_range() -> tuple[int, int]:
    """The lowest and the highest port that may be given: `$SPS_PORTS`, or all below the outgoing ones."""
    asked = os.environ.get(RANGE_VARIABLE)
    if asked is None:
        return LOWEST, _highest()
    found = re.fullmatch(r"(\d{4,5})-(\d{4,5})", asked)
    lowest, highest = map(int, found.groups()) if found else (1, 0)
    if not LOWEST_ASKED <= lowest <= highest <= HIGHEST_ASKED:
        limits = f"between {LOWEST_ASKED} and {HIGHEST_ASKED}"
        raise ValueError(f"{RANGE_VARIABLE} must be like 20000-24999, {limits}, not {asked!r}")
    return lowest, highest


def _highest() -> int:
    try:
        first_outgoing = int(_RANGE_FILE.read_text().split()[0])
    except (OSError, ValueError):
        return HIGHEST_WITHOUT_RANGE
    return first_outgoing - 1 if first_outgoing > LOWEST + TRIES else HIGHEST_WITHOUT_RANGE
