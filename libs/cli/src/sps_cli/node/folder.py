"""The folder of one node: its key, the genesis document, its settings, its data. One node, one folder."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sps.runtime.errors import Refusal

USUAL: Final = Path("/var/lib/sps/node")
"""Where the systemd unit looks."""
_MODE: Final = 0o600


class NodeFolder:
    """Paths, and what is written there."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path.absolute()

    @property
    def key(self) -> Path:
        """The private key; it never leaves this machine."""
        return self.path / "node.key"

    @property
    def genesis(self) -> Path:
        return self.path / "genesis.json"

    @property
    def settings(self) -> Path:
        """The environment of the node's process, a variable a line, as systemd's `EnvironmentFile` has it."""
        return self.path / "node.env"

    @property
    def kafka_password(self) -> Path:
        return self.path / "kafka-password"

    @property
    def data(self) -> Path:
        """Write-ahead log, blocks, batches."""
        return self.path / "data"

    def environment(self) -> dict[str, str]:
        """The variables of `node.env`; raises `Refusal` when the node has not joined yet."""
        try:
            lines = self.settings.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            message = f"{self.settings}: {error.strerror}; `sps node join` writes it"
            raise Refusal("NOT_JOINED", message) from error
        given = (line.partition("=") for line in lines if line and not line.startswith("#"))
        return {name: "".join(shlex.split(value)) for name, _, value in given}

    def write_environment(self, variables: Mapping[str, str]) -> None:
        """Replace `node.env`."""
        lines = ["# Written by `sps node join`; docs/configuration.md has all variables."]
        lines += [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
        self.write(self.settings, "\n".join(lines) + "\n")

    def write(self, path: Path, text: str) -> None:
        """Whole or not at all, readable by the owner alone."""
        self.path.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        with open(
            draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, _MODE)
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
