"""`sps node run` becomes the node's process; `sps node status` asks it how it stands."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final, NoReturn

import httpx
import msgspec

from sps.runtime.genesis_file import genesis_of
from sps_cli.node.folder import NodeFolder
from sps_cli.node.joining import PREFIX, others
from sps_cli.node.network import ANSWER_S, Heard, ask

MODULE: Final = "consensus_node"
READY: Final = 0
NOT_READY: Final = 1


def run(folder: Path) -> NoReturn:
    """Take the settings of the folder, and over them those of the environment; never returns.

    The process is replaced, so that signals and exit codes are the node's own: 0 asked to end, 1 a defect,
    2 it refuses to run and a person has to change something.
    """
    variables = NodeFolder(folder).environment() | dict(os.environ)
    os.execve(sys.executable, [sys.executable, "-m", MODULE], variables)  # noqa: S606 our own module


def status(folder: Path, *, as_json: bool) -> int:
    """Say how the node stands beside the others; 1 unless it is ready."""
    place = NodeFolder(folder)
    variables = place.environment()
    peers = others(genesis_of(place.genesis), place)
    own, heard, ready = asyncio.run(_look(variables, peers))
    highest = max((each.standing.final_height for each in heard), default=0)
    if as_json:
        told = {"ready": ready, "node": own and own.standing, "peers": len(heard), "highest": highest}
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    elif own is None:
        print("the node does not answer")
    else:
        standing = own.standing
        what = "votes" if standing.voting else "follows"
        print(f"{standing.name}: {'ready' if ready else 'not ready'}, {what}")
        print(f"final height {standing.final_height}, executed {standing.executed_height}")
        print(f"highest of {len(heard)} others {highest}")
    return READY if ready else NOT_READY


async def _look(variables: dict[str, str], peers: list[str]) -> tuple[Heard | None, list[Heard], bool]:
    monitor = _url(variables, "MONITOR_HOST", "MONITOR_PORT")
    own = ask([_url(variables, "HOST", "PORT")])
    (mine, _), (heard, _), ready = await asyncio.gather(own, ask(peers), _is_ready(monitor))
    return (mine[0] if mine else None), heard, ready


def _url(variables: dict[str, str], host: str, port: str) -> str:
    """Where a listener is reached from this machine."""
    named = variables[PREFIX + host]
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(named, named)  # noqa: S104 compared, not bound
    return f"http://{reached}:{variables[PREFIX + port]}"


async def _is_ready(url: str) -> bool:
    async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as client:
        try:
            return (await client.get(f"{url}/health/ready")).is_success
        except httpx.TransportError:
            return False
