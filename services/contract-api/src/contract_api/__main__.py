"""contract-api as a process of its own; settings: `CONTRACT_API_…` (docs/configuration.md)."""

import sps.runtime.early  # noqa: F401, I001 first, so that a signal during the other imports ends well

import sys

from contract_api.bootstrap import bootstrap
from contract_api.settings import Settings
from sps.runtime.process import run

if __name__ == "__main__":
    sys.exit(run("contract-api", Settings, bootstrap))
