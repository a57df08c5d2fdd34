"""Private keys as files: 32 bytes in hex, readable by their owner alone, made once and never overwritten.

A key may also be mounted: a file of root that our own group may read and nobody else (a Kubernetes Secret
under `fsGroup`, which cannot be owned by anybody but root).
"""

import os
import secrets
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

from sps.runtime.errors import Refusal
from sps.signing import KEY_BYTES, Signer

_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MOUNTED: Final = stat.S_IRUSR | stat.S_IRGRP
ROOT: Final = 0


class BadKeyFile(Refusal):
    """The file is not a private key that may be used."""


def load_or_create_seed(path: Path) -> bytes:
    """Return the 32-byte seed in the file; make the file (mode 0600, synced) when there is none."""
    try:
        return load_seed(path)
    except FileNotFoundError:
        _create(path, secrets.token_bytes(KEY_BYTES))
        return load_seed(path)


def load_seed(path: Path) -> bytes:
    """Return the seed of an existing file; refuse a file that others may read."""
    if is_open(path.stat(), os.geteuid(), {os.getegid(), *os.getgroups()}):
        raise BadKeyFile("KEY_FILE_OPEN", f"others may read {path}: chmod 600 it, and think about a new key")
    try:
        seed = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError as error:
        raise BadKeyFile("KEY_FILE_BAD", f"{path} does not hold 64 hex digits") from error
    if len(seed) != KEY_BYTES:
        raise BadKeyFile("KEY_FILE_BAD", f"{path} does not hold 64 hex digits")
    return seed


def is_open(status: os.stat_result, user: int, groups: Collection[int]) -> bool:
    """Whether others than this process may read the file."""
    if not status.st_mode & _OTHERS:
        return False
    mounted = stat.S_IMODE(status.st_mode) == _MOUNTED and status.st_uid == ROOT
    return not (mounted and ROOT not in (user, status.st_gid) and status.st_gid in groups)


def load_signer(path: Path) -> Signer:
    """A signer from the file, which is made when there is none."""
    return Signer(load_or_create_seed(path))


def _create(path: Path, seed: bytes) -> None:
    """Write beside, sync, link: a crash leaves no half key, and a key that is already there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(seed.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        _link(draft, path)
    finally:
        draft.unlink()


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:  # somebody else was first; theirs counts
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
