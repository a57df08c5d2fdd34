"""Looks that need no network: genesis, keys, folders, ports, addresses, providers' accounts."""

import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sps.chain.genesis import Genesis, chain_id, genesis_bytes
from sps.runtime.clock import SystemClock
from sps.runtime.errors import Refusal
from sps.runtime.genesis_file import UnusableGenesis, genesis_of
from sps.runtime.keys import BadKeyFile, load_seed
from sps.signing import Signer
from sps_cli.checkup.findings import Report
from sps_cli.checkup.services import Known, Patient

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
SHOWN: Final = 12
"""Digits of a chain's name that are shown."""


def look_at_genesis(report: Report, known: Known) -> Genesis | None:
    """The document, when it can be used."""
    if known.genesis is None:
        return None
    try:
        genesis = genesis_of(known.genesis)
    except UnusableGenesis as refusal:
        report.wrong("genesis", refusal.message, "mount the genesis document of the chain there")
        return None
    report.ok(
        "genesis", f"chain {chain_id(genesis_bytes(genesis)).hex()[:SHOWN]}…, network {genesis.network}"
    )
    return genesis


def look_at_key(report: Report, known: Known, patient: Patient, genesis: Genesis | None) -> None:
    """Only its owner may read it, and the genesis document names it for this service."""
    signer = _signer(report, "key", known.key)
    if signer is None or genesis is None:
        return
    if patient.role is not None:
        named = {
            producer.key: producer.name for producer in genesis.producers if producer.role == patient.role
        }
        seat = f"a producer with the role {patient.role}"
    else:
        named = {member.key: member.name for member in genesis.validators}
        seat = "a validator"
    if signer.public_key in named:
        report.ok("key", f"{known.key} is the key of {named[signer.public_key]}")
    elif patient.role is None and known.observer:
        report.note("key", "the genesis document does not name it", "fine for an observer: it never votes")
    else:
        names = ", ".join(named.values()) or "nobody"
        report.wrong(
            "key",
            f"{known.key} is not the key of {seat} in the genesis document ({names})",
            "use the key that was made with the genesis document",
        )


def look_at_custody(report: Report, known: Known) -> None:
    """The key from which the parties' keys follow."""
    path: Path | None = known.custody_key
    if path is None:
        return
    if not path.exists():
        report.note(
            "custody_key",
            f"there is none at {path}; the first start makes one",
            "if there was one before, put it back: the parties' keys follow from it",
        )
    elif _signer(report, "custody_key", path) is not None:
        report.ok("custody_key", f"{path} can be used")


def _signer(report: Report, about: str, path: Path | None) -> Signer | None:
    if path is None:
        return None
    try:
        return Signer(load_seed(path))
    except BadKeyFile as refusal:
        report.wrong(about, refusal.message, f"chmod 600 {path}, or mount the right file")
    except OSError as error:
        report.wrong(
            about, f"{path}: {error.strerror}", "mount the key that was made with the genesis document"
        )
    return None


def look_at_folder(report: Report, known: Known) -> None:
    """Where a validator keeps its memory."""
    folder: Path | None = known.data
    if folder is None:
        return
    place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        report.wrong("data", f"{place} cannot be written to", "give the folder to the user who runs the node")
    elif place == folder and any(folder.glob("*.log")) and not (folder / "wal").exists():
        report.wrong(
            "data",
            f"{folder} has blocks but no write-ahead log: what this key voted is unknown",
            "restore it, or run as an observer",
        )
    else:
        report.ok("data", f"{folder} can be written to")


def look_at_ports(report: Report, known: Known, held: ExitStack) -> None:
    """They are free. Held until all are looked at, so that two services that share one are found."""
    for about in ("port", "monitor_port"):
        host, port = known.monitor_host if about == "monitor_port" else known.host, getattr(known, about)
        if host is None or port is None:
            continue
        if port == 0:
            report.note(about, "any free port", "nobody knows it before the start; name one")
            continue
        listener = held.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1)
        except OSError as error:
            report.wrong(
                about,
                f"{host}:{port}: {error.strerror}",
                "stop who listens there (perhaps this service itself), or choose another port",
            )
        else:
            report.ok(about, f"{host}:{port} is free")


def look_at_public_url(report: Report, known: Known, patient: Patient) -> None:
    """Strangers reach it by https, except on this machine."""
    url: str | None = known.public_url
    if not url or patient.name == "sandbox":
        return
    address = urlsplit(url)
    if address.scheme == "https":
        report.ok("public_url", url)
    elif known.live:
        report.wrong("public_url", f"{url} is not https, and keys are live", "serve it by https")
    elif address.hostname in LOOPBACK:
        report.note("public_url", f"{url} is on this machine only", "fine for trying out; https in earnest")
    else:
        report.wrong(
            "public_url", f"{url} is not https", "serve it by https: secrets and orders travel there"
        )


def look_at_providers(report: Report, known: Known, patient: Patient) -> None:
    """The accounts' keys and certificates can be read."""
    from payment_gateway.bootstrap import configured_providers
    from payment_gateway.settings import Settings

    settings = known.whole
    if patient.name != "payment-gateway" or not isinstance(settings, Settings):
        return
    try:
        providers = configured_providers(settings, SystemClock())
    except (Refusal, OSError) as error:
        report.wrong("providers", str(error), "give the account's keys and certificates anew")
        return
    stopped = set(settings.stopped_providers) & providers.keys()
    if not providers:
        report.wrong("providers", "no payment provider is configured", "give the account of one")
    elif stopped:
        report.note("providers", f"{', '.join(sorted(stopped))} stopped", "nothing new is sent through these")
    else:
        report.ok("providers", ", ".join(sorted(providers)))
