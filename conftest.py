"""For all tests: logs as in production, without the pretty tracebacks of an unconfigured library; and for
each of the workers side by side ports of its own, so that none takes a port whose server another has killed.
"""

import os

from sps.runtime.logs import configure_logs
from sps_cli.servers.ports import RANGE_VARIABLE, port_range

pytest_plugins = ["server_fixtures"]

configure_logs(level="warning", form="console")


def _ports_of_this_worker() -> str:
    lowest, highest = port_range()
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    width = (highest - lowest + 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return f"{lowest + number * width}-{lowest + (number + 1) * width - 1}"


os.environ[RANGE_VARIABLE] = _ports_of_this_worker()
