"""Settings of a consensus node; environment prefix `CONSENSUS_NODE_`."""

from pathlib import Path

from pydantic import Field

from sps.runtime.settings import ProcessSettings, settings_config


class Settings(ProcessSettings):
    """What a node is told. Its seat in the committee follows from its key."""

    model_config = settings_config("CONSENSUS_NODE_")

    genesis: Path
    """The genesis document; its hash is the chain's name."""
    key: Path
    """The validator's private key file (mode 0600)."""
    data: Path
    """Folder of the write-ahead log, blocks and batches; on a disk that honours fsync."""
    peers: tuple[str, ...] | None = None
    """Base URLs of other validators; none given: those of the genesis document without one's own."""
    observer: bool = False
    """Follow and serve, but never vote: also the way to run after the write-ahead log was lost."""
    listen_ms: int | None = Field(default=None, ge=0, le=60_000)
    """How long to look for a twin with the same key before the first vote; default twice the view timeout."""
