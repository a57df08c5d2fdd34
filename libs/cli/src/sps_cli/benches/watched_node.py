"""A consensus node as a process of its own, as in production, that also notes when its blocks were done.

`python -m sps_cli.benches.watched_node`, settings as for `consensus_node`. Each note goes at once to a file
named after the node, in the folder that `SPS_BENCH_TIMES` names; writing one costs two microseconds.
"""

import sps.runtime.early  # noqa: F401, I001 first, as in the node itself

import os
import struct
import sys
import time
from enum import IntEnum
from pathlib import Path
from typing import Final

from consensus_node.application.node import Node
from consensus_node.bootstrap import bootstrap
from consensus_node.settings import Settings
from sps.eventlog.port import EventLog
from sps.runtime.process import run

FOLDER_VARIABLE: Final = "SPS_BENCH_TIMES"
NOTE: Final = struct.Struct(">BQQ")
"""What, height, and when: nanoseconds of the wall clock, as block times are of the wall clock."""


class Done(IntEnum):
    """What a note says of a height."""

    FINAL = 1
    EXECUTED = 2


def times_file(folder: Path, node: str) -> Path:
    """Where the node of this name writes its notes."""
    return folder / f"{node}.times"


async def watched(settings: Settings, *, log: EventLog) -> Node:
    """The node as it is, with a probe."""
    path = times_file(Path(os.environ[FOLDER_VARIABLE]), settings.data.name)
    notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def noted(step: str) -> None:
        if step == "node.Deliver":
            os.write(notes, NOTE.pack(Done.FINAL, node.final_height, time.time_ns()))
        elif step == "node.executed":
            os.write(notes, NOTE.pack(Done.EXECUTED, node.executed[0], time.time_ns()))

    node = await bootstrap(settings, log=log, probe=noted)
    return node


if __name__ == "__main__":
    sys.exit(run("consensus-node", Settings, watched))
