"""The state folder of an installation: genesis, keys, secrets, and what it runs on. Made once, then kept.

Everything that a first start invents is written before it is used, so that a crash leaves either nothing or
all of it. One process at a time.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from sps.chain.genesis import (
    Genesis,
    Member,
    OpeningFloat,
    Parameters,
    Producer,
    Role,
    genesis_bytes,
    load_genesis,
)
from sps.runtime.errors import Refusal
from sps.runtime.keys import load_or_create_seed
from sps.signing import Signer
from sps_cli.provider_keys import ProviderKeys, make_provider_keys
from sps_cli.servers.ports import free_port, is_free

VALIDATORS: Final = 4
HOST: Final = "127.0.0.1"
PREFERRED: Final = {
    "api": 8080,
    "carrier": 8081,
    "payment": 8082,
    "settlement": 8083,
    "sandbox": 8090,
    "node-0": 8101,
    "node-1": 8102,
    "node-2": 8103,
    "node-3": 8104,
    "api.monitor": 9080,
    "carrier.monitor": 9081,
    "payment.monitor": 9082,
    "settlement.monitor": 9083,
    "sandbox.monitor": 9090,
    "node-0.monitor": 9101,
    "node-1.monitor": 9102,
    "node-2.monitor": 9103,
    "node-3.monitor": 9104,
}
"""Where things listen when nothing else does; `.monitor` is the place for metrics and health of the same."""
PRODUCERS: Final[tuple[tuple[int, str, Role], ...]] = (
    (1, "contract-api", "api"),
    (2, "carrier-gateway", "carrier"),
    (3, "payment-gateway", "payment"),
    (4, "settlement", "settlement"),
    (5, "operator", "operator"),
)
FLOATS: Final = (
    ("stripe", "EUR", "100000000"),
    ("stripe", "USD", "100000000"),
    ("alipay", "CNY", "100000000"),
)
"""The operator's own money at the sandbox providers, minor units; covers payouts after a conversion."""


NEAR: Final = Parameters(execution_lag=1)
"""All participants are on one machine: the next header can already state a block's results, so that one empty
block follows the news instead of four (a delivery costs half the CPU time, `docs/performance.md`)."""


class FolderInUse(Refusal):
    """Another process runs on this state folder."""


class OtherServers(Refusal):
    """The folder was made with other servers than it is opened with."""


class Servers(Struct, frozen=True):
    """The servers that an installation runs on; none: one process with a log and databases in the folder."""

    event_log: str = ""
    """The address of the event log, as `sps.eventlog.address` reads it."""
    postgres: str = ""
    """URL of a database of the PostgreSQL server where databases may be made."""

    def __bool__(self) -> bool:
        return bool(self.event_log)


class Secrets(Struct, frozen=True):
    """Random tokens of one installation."""

    internal_token: str
    tracking_pepper: str
    dhl_api_key: str
    dhl_hook_path: str
    dhl_hook_token: str
    easypost_api_key: str
    easypost_webhook_secret: str
    stripe_secret_key: str
    stripe_webhook_secret: str


class StateFolder:
    """Paths and their contents."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path.resolve()
        self._lock: int | None = None

    def open(self, *, any_ports: bool = False, servers: Servers | None = None) -> None:
        """Take the folder for this process; fill it when it is new. `servers`: None takes those it remembers.

        Raises `FolderInUse`, and `OtherServers` where it was made with others.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._take()
        try:
            self._fill(servers, any_ports=any_ports)
        except BaseException:
            self.close()
            raise

    def _take(self) -> None:
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise FolderInUse(
                "STATE_IN_USE", f"another process runs on {self.path}; stop it first"
            ) from error

    def _fill(self, servers: Servers | None, *, any_ports: bool) -> None:
        if self.is_new:
            _write(self._servers_path, msgspec.json.encode(servers or Servers()).decode())
        elif servers is not None and servers != self.servers:
            raise OtherServers("OTHER_SERVERS", self._whose_servers())
        for part in ("keys", "db", "nodes", "logs"):
            (self.path / part).mkdir(exist_ok=True)
        known = self.ports if (self.path / "ports.json").exists() else {}
        if known.keys() != PREFERRED.keys():
            _write(self.path / "ports.json", json.dumps(_free_ports(known, any_ports=any_ports)))
        if not (self.path / "secrets.json").exists():
            _write(self.path / "secrets.json", json.dumps(_new_secrets()))
        if not self.genesis_path.exists():
            _write(self.genesis_path, genesis_bytes(self._new_genesis()).decode())

    def close(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _whose_servers(self) -> str:
        mine = self.servers
        if not mine:
            return f"{self.path} was made without servers; start it without them, or give another --state"
        return (
            f"{self.path} was made with other servers; start it without naming any and it takes its own, "
            f"or give another --state; if the same servers have moved, change {self._servers_path.name} in it"
        )

    @property
    def _servers_path(self) -> Path:
        return self.path / "servers.json"

    @property
    def is_new(self) -> bool:
        """Nothing was ever started on it."""
        return not (self._servers_path.exists() or self.genesis_path.exists())

    @property
    def servers(self) -> Servers:
        """What it was made with; a folder from before there were servers has none."""
        if not self._servers_path.exists():
            return Servers()
        return msgspec.json.decode(self._servers_path.read_bytes(), type=Servers)

    @property
    def genesis_path(self) -> Path:
        return self.path / "genesis.json"

    @property
    def ports(self) -> dict[str, int]:
        """Where everything listens; chosen at the first start and kept."""
        return dict(json.loads((self.path / "ports.json").read_text()))

    @property
    def secrets(self) -> Secrets:
        return Secrets(**json.loads((self.path / "secrets.json").read_text()))

    def genesis(self) -> Genesis:
        return load_genesis(self.genesis_path.read_bytes())

    def url(self, what: str) -> str:
        return f"http://{HOST}:{self.ports[what]}"

    def key(self, name: str) -> Path:
        return self.path / "keys" / f"{name}.key"

    def database(self, name: str) -> str:
        return f"sqlite+aiosqlite:///{self.path / 'db' / name}.sqlite"

    def provider_keys(self) -> ProviderKeys:
        """RSA keys and certificates of the sandbox's Alipay, made once."""
        return make_provider_keys(self.path / "keys")

    def _new_genesis(self) -> Genesis:
        ports, apart = self.ports, bool(self.servers)
        return Genesis(
            network="servers" if apart else "embedded",
            created_ms=time.time_ns() // 1_000_000,
            validators=tuple(
                Member(f"node-{i}", self._public_key(f"node-{i}"), 1, f"http://{HOST}:{ports[f'node-{i}']}")
                for i in range(VALIDATORS)
            ),
            producers=tuple(
                Producer(number, name, role, self._public_key(name)) for number, name, role in PRODUCERS
            ),
            floats=tuple(OpeningFloat(*each) for each in FLOATS),
            parameters=NEAR,
            approvers=(),  # nobody can take a release back; name persons here before the first block
        )

    def _public_key(self, name: str) -> str:
        return Signer(load_or_create_seed(self.key(name))).public_key.hex()


def _free_ports(known: Mapping[str, int], *, any_ports: bool) -> dict[str, int]:
    """What is known stays; else the preferred ports where they are free, else any; all different."""
    found = dict(known)
    for name, wish in PREFERRED.items():
        if name not in found:
            usable = not any_ports and wish not in found.values() and is_free(wish)
            found[name] = wish if usable else _other_port(found.values())
    return found


def _other_port(taken: Collection[int]) -> int:
    while (port := free_port()) in taken:
        pass
    return port


def _new_secrets() -> dict[str, str]:
    return {
        "internal_token": secrets.token_urlsafe(32),
        "tracking_pepper": secrets.token_hex(32),
        "dhl_api_key": secrets.token_urlsafe(24),
        "dhl_hook_path": secrets.token_urlsafe(32),
        "dhl_hook_token": secrets.token_urlsafe(32),
        "easypost_api_key": secrets.token_urlsafe(24),
        "easypost_webhook_secret": secrets.token_urlsafe(32),
        "stripe_secret_key": f"sk_test_{secrets.token_hex(16)}",
        "stripe_webhook_secret": f"whsec_{secrets.token_hex(24)}",
    }


def _write(path: Path, text: str) -> None:
    """Whole or not at all, readable by the owner alone."""
    draft = path.with_name(f".{path.name}.draft")
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
