"""Settings of a consensus node; environment prefix `CONSENSUS_NODE_`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from sps.runtime.settings import settings_config


class Settings(BaseSettings):
    """What a node is told. Its seat in the committee follows from its key."""

    model_config = settings_config("CONSENSUS_NODE_")

    genesis: Path
    """The genesis document; its hash is the chain's name."""
    key: Path
    """The validator's private key file (mode 0600)."""
    data: Path
    """Folder of the write-ahead log, blocks and batches; on a disk that honours fsync."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=0, ge=0, le=65_535)
    """0: any free port; ask the node for it."""
    peers: tuple[str, ...] | None = None
    """Base URLs of other validators; none given: those of the genesis document without one's own."""
    observer: bool = False
    """Follow and serve, but never vote: also the way to run after the write-ahead log was lost."""
    listen_ms: int | None = Field(default=None, ge=0, le=60_000)
    """How long to look for a twin with the same key before the first vote; default twice the view timeout."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is worth a line."""
    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""
