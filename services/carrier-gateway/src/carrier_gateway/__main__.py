"""carrier-gateway as a process of its own; settings: `CARRIER_GATEWAY_…` (docs/configuration.md)."""

import sps.runtime.early  # noqa: F401, I001 first, so that a signal during the other imports ends well

import sys

from carrier_gateway.bootstrap import bootstrap
from carrier_gateway.settings import Settings
from sps.runtime.process import run

if __name__ == "__main__":
    sys.exit(run("carrier-gateway", Settings, bootstrap))
