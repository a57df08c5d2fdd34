"""The genesis document as a file. It is public, and without it nothing can be checked."""

from pathlib import Path

from sps.chain.genesis import BadGenesis, Genesis, load_genesis
from sps.runtime.errors import Refusal


class UnusableGenesis(Refusal):
    """The genesis document cannot be read or cannot start a chain."""


def genesis_of(path: Path) -> Genesis:
    """The genesis document in a file; raises `UnusableGenesis`."""
    try:
        return load_genesis(path.read_bytes())
    except OSError as error:
        raise UnusableGenesis("GENESIS_UNREADABLE", f"{path}: {error.strerror}") from error
    except BadGenesis as error:
        raise UnusableGenesis("GENESIS_BAD", f"{path}: {error}") from error
