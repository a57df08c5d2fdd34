"""sandbox as a process of its own; settings: `SANDBOX_…` (docs/configuration.md)."""

import sps.runtime.early  # noqa: F401, I001 first, so that a signal during the other imports ends well

import sys

from sandbox.bootstrap import bootstrap
from sandbox.settings import Settings
from sps.runtime.process import run

if __name__ == "__main__":
    sys.exit(run("sandbox", Settings, bootstrap))
