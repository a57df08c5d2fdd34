"""Processes of an earlier commit beside those of today: its sources go before ours on the path."""

import io
import os
import subprocess
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
OLD: Final = os.environ.get("SPS_OLD_COMMIT") or "9183d05"
"""What an upgrade begins from."""
GIT_S: Final = 30


def sources(folder: Path) -> str:
    """The `PYTHONPATH` of the old commit, unpacked into the folder."""
    words = ("git", "archive", "--format=tar", OLD, "libs", "services")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=GIT_S, check=False)  # noqa: S603 our own words
    if done.returncode:
        why = done.stderr.decode().strip()
        pytest.fail(
            f"no commit {OLD} to upgrade from; git fetch --unshallow, or name one by SPS_OLD_COMMIT: {why}"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return os.pathsep.join(str(each) for each in sorted(folder.glob("*/*/src")))


@contextmanager
def path_of(old: str):
    """Whatever starts meanwhile is old."""
    os.environ["PYTHONPATH"] = old
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]


def is_old(pid: int, old: str) -> bool:
    """What this process was started with."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return f"PYTHONPATH={old}".encode() in variables
