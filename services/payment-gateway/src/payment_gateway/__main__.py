"""payment-gateway as a process of its own; settings: `PAYMENT_GATEWAY_…` (docs/configuration.md)."""

import sps.runtime.early  # noqa: F401, I001 first, so that a signal during the other imports ends well

import sys

from payment_gateway.bootstrap import bootstrap
from payment_gateway.settings import Settings
from sps.runtime.process import run

if __name__ == "__main__":
    sys.exit(run("payment-gateway", Settings, bootstrap))
