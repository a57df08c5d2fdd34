"""For all tests: logs as in production, without the pretty tracebacks of an unconfigured library."""

from sps.runtime.logs import configure_logs

pytest_plugins = ["server_fixtures"]

configure_logs(level="warning", form="console")
