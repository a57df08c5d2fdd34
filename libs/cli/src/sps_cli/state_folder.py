"""The state folder of the embedded platform: genesis, keys, secrets, databases, log. Made once, then kept.

Everything that a first start invents is written before it is used, so that a crash leaves either nothing or
all of it. One process at a time.
"""

import fcntl
import json
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Final

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
}
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
"""All participants are in one process: the next header can already state a block's results, so that one empty
block follows the news instead of four (a third of the CPU time of a delivery, `docs/performance.md`)."""


class FolderInUse(Refusal):
    """Another process runs on this state folder."""


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

    def open(self, *, any_ports: bool = False) -> None:
        """Take the folder for this process; fill it when it is new. Raises `FolderInUse`."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise FolderInUse(
                "STATE_IN_USE", f"another process runs on {self.path}; stop it first"
            ) from error
        for part in ("keys", "db", "nodes"):
            (self.path / part).mkdir(exist_ok=True)
        if not (self.path / "ports.json").exists():
            _write(self.path / "ports.json", json.dumps(_free_ports(any_ports=any_ports)))
        if not (self.path / "secrets.json").exists():
            _write(self.path / "secrets.json", json.dumps(_new_secrets()))
        if not self.genesis_path.exists():
            _write(self.genesis_path, genesis_bytes(self._new_genesis()).decode())

    def close(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

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
        ports = self.ports
        return Genesis(
            network="embedded",
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


def _free_ports(*, any_ports: bool) -> dict[str, int]:
    """The preferred ports where they are free, else any; all different."""
    found: dict[str, int] = {}
    held = []
    for name, wish in PREFERRED.items():
        listener = socket.socket()
        held.append(listener)
        try:
            listener.bind((HOST, 0 if any_ports else wish))
        except OSError:
            listener.bind((HOST, 0))
        found[name] = int(listener.getsockname()[1])
    for listener in held:
        listener.close()
    return found


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
