"""Free ports that stay free. They lie below the range from which the kernel takes ports for outgoing
connections: a port from that range may be taken by any client while its server is down, even by the very one
that calls it in vain.
"""

import random
import socket
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOWEST: Final = 12_000
HIGHEST_WITHOUT_RANGE: Final = 32_767
TRIES: Final = 500
_RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: Final[set[int]] = set()


def free_port() -> int:
    """A port of the loopback on which nothing listens and that this process has not given away before."""
    highest = _highest()
    for _ in range(TRIES):
        port = random.randint(LOWEST, highest)  # noqa: S311 no secret
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port between {LOWEST} and {highest} after {TRIES} tries")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _highest() -> int:
    try:
        first_outgoing = int(_RANGE_FILE.read_text().split()[0])
    except (OSError, ValueError):
        return HIGHEST_WITHOUT_RANGE
    return first_outgoing - 1 if first_outgoing > LOWEST + TRIES else HIGHEST_WITHOUT_RANGE
