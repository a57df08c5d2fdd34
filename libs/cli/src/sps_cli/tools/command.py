"""`sps tools fetch`: builds what the tests of deployment need, one after the other."""

from pathlib import Path
from typing import Final

from sps.runtime.errors import Trouble
from sps_cli.tools.definitions import DEFINITIONS, fetch_definitions
from sps_cli.tools.go_tools import TOOLS, fetch

FAILED: Final = 1


def fetch_all(modules: Path) -> int:
    """Build those that are not in the cache yet; the exit code."""
    try:
        for tool in TOOLS:
            print(f"{tool.label}: {fetch(tool, modules)}", flush=True)
        for kinds in DEFINITIONS:
            print(f"{kinds.label}: {fetch_definitions(kinds, modules)}", flush=True)
    except Trouble as trouble:
        print(trouble)
        return FAILED
    return 0
