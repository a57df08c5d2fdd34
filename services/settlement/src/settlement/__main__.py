"""settlement as a process of its own; settings: `SETTLEMENT_…` (docs/configuration.md)."""

import sps.runtime.early  # noqa: F401, I001 first, so that a signal during the other imports ends well

import sys

from settlement.bootstrap import bootstrap
from settlement.settings import Settings
from sps.runtime.process import run

if __name__ == "__main__":
    sys.exit(run("settlement", Settings, bootstrap))
