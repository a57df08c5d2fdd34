"""consensus-node as a process of its own; settings: `CONSENSUS_NODE_…` (docs/configuration.md)."""

import sps.runtime.early  # noqa: F401, I001 first, so that a signal during the other imports ends well

import sys

from consensus_node.bootstrap import bootstrap
from consensus_node.settings import Settings
from sps.runtime.process import run

if __name__ == "__main__":
    sys.exit(run("consensus-node", Settings, bootstrap))
