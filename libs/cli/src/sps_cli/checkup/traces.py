"""Whether somebody listens where traces are sent. A service runs without, so nothing here is ever wrong."""

import socket
from typing import Final
from urllib.parse import urlsplit

from sps_cli.checkup.findings import Report
from sps_cli.checkup.services import Known

CONNECT_S: Final = 2.0
PORTS: Final = {"http": 80, "https": 443}
ADVICE: Final = "the service runs without it, and its spans are lost"


def look_at_traces(report: Report, known: Known) -> None:
    """Connect to the collector; say nothing while traces are off."""
    endpoint: str | None = known.trace_endpoint
    if not endpoint:
        return
    address = urlsplit(endpoint)
    try:
        place = (address.hostname or "", address.port or PORTS[address.scheme])
        with socket.create_connection(place, CONNECT_S):
            pass
    except (OSError, ValueError) as error:
        report.note("trace_endpoint", f"{endpoint}: {getattr(error, 'strerror', None) or error}", ADVICE)
    else:
        report.ok("trace_endpoint", f"somebody listens at {endpoint}")
    if known.trace_share == 0:
        report.note("trace_share", "0: no story is traced", "say how many are wanted, at most 1")
