"""`sps node join`: looks at everything before the node runs, and writes its settings when all is well."""

import asyncio
import hmac
import os
from pathlib import Path
from typing import Final

from msgspec import Struct

from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.runtime.errors import Refusal
from sps.runtime.genesis_file import genesis_of
from sps.runtime.keys import load_seed
from sps.runtime.monitor import version
from sps.signing import Signer
from sps_cli.checkup.findings import Finding, Report
from sps_cli.checkup.services import PATIENTS
from sps_cli.doctor import ILL, examine, show
from sps_cli.node.folder import NodeFolder
from sps_cli.node.network import ask, look_at_network

NODE: Final = "consensus-node"
PREFIX: Final = "CONSENSUS_NODE_"
PASSWORD: Final = "SPS_KAFKA_PASSWORD"  # noqa: S105 the name of a variable
"""The broker's password comes from here, never from the command line."""


class Wish(Struct, frozen=True):
    """What the operator asks for."""

    genesis: Path
    chain: str
    """The chain's name as another way than the file told it: the SHA-256 of the genesis, 64 hex digits."""
    event_log: str
    follower: bool
    host: str
    port: int
    monitor_host: str
    monitor_port: int
    kafka: dict[str, str]
    """Settings `kafka_…` without the password."""


def join(folder: Path, wish: Wish) -> int:
    """Examine; write `node.env`, or change nothing and say what is wrong."""
    place = NodeFolder(folder)
    genesis = _trusted(wish)
    _same_chain(place, genesis)
    password = os.environ.get(PASSWORD, "") if wish.kafka.get("KAFKA_SASL_MECHANISM") else ""
    variables = _variables(place, wish)
    secret = {f"{PREFIX}KAFKA_PASSWORD": password} if password else {}
    trial = variables | secret | {f"{PREFIX}GENESIS": str(wish.genesis)}
    findings = asyncio.run(_look(trial, place, genesis))
    well = all(finding.verdict != "wrong" for finding in findings)
    show(findings, well=well)
    if not well:
        return ILL
    _write(place, genesis, variables, password)
    print(f"written {place.settings}. next: sps node run (systemctl enable --now sps-node)")
    return 0


def _trusted(wish: Wish) -> Genesis:
    genesis = genesis_of(wish.genesis)
    found = chain_id(genesis_bytes(genesis)).hex()
    if not hmac.compare_digest(found, wish.chain.strip().lower()):
        raise Refusal(
            "OTHER_CHAIN",
            f"{wish.genesis} starts the chain {found}, not {wish.chain}: ask who gave it to you, and others",
        )
    return genesis


def _same_chain(place: NodeFolder, genesis: Genesis) -> None:
    if place.genesis.exists() and place.genesis.read_bytes() != genesis_bytes(genesis):
        raise Refusal("OTHER_GENESIS", f"{place.path} is a node of another chain; give another --folder")


def _variables(place: NodeFolder, wish: Wish) -> dict[str, str]:
    settings = {
        "HOST": wish.host,
        "PORT": str(wish.port),
        "MONITOR_HOST": wish.monitor_host,
        "MONITOR_PORT": str(wish.monitor_port),
        "EVENT_LOG": wish.event_log,
        "GENESIS": str(place.genesis),
        "KEY": str(place.key),
        "DATA": str(place.data),
        "OBSERVER": "true" if wish.follower else "false",
        **wish.kafka,
    }
    return {f"{PREFIX}{name}": value for name, value in settings.items()}


async def _look(variables: dict[str, str], place: NodeFolder, genesis: Genesis) -> list[Finding]:
    """The doctor's findings, and those that need the other nodes."""
    findings = await examine([PATIENTS[NODE]], variables)
    report = Report(NODE)
    heard, silent = await ask(others(genesis, place))
    look_at_network(report, genesis, heard, silent, version())
    return findings + report.findings


def others(genesis: Genesis, place: NodeFolder) -> list[str]:
    """Where the validators of the genesis serve, without this node itself."""
    own = Signer(load_seed(place.key)).public_key if place.key.exists() else b""
    return [member.url for member in genesis.validators if member.url and member.key != own]


def _write(place: NodeFolder, genesis: Genesis, variables: dict[str, str], password: str) -> None:
    """The settings last: without them there is no node to run."""
    place.write(place.genesis, genesis_bytes(genesis).decode())
    place.data.mkdir(parents=True, exist_ok=True)
    if password:
        place.write(place.kafka_password, password + "\n")
        variables = variables | {f"{PREFIX}KAFKA_PASSWORD_FILE": str(place.kafka_password)}
    place.write_environment(variables)
