"""What is fetched once and kept outside the tree. A folder in the cache is there whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FOLDER_VARIABLE: Final = "SPS_CACHE"


def cache_folder() -> Path:
    """`$SPS_CACHE`, or `~/.cache/sps`."""
    return Path(os.environ.get(FOLDER_VARIABLE) or Path.home() / ".cache" / "sps")


def whole(name: str, fill: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, filled by `fill` if it is not there yet.

    Several processes may ask at once: one fills, the others wait. What `fill` leaves behind when it fails or
    is killed is thrown away by the next who asks.
    """
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            _fill(folder, fill)
    return folder


def _fill(folder: Path, fill: Callable[[Path], None]) -> None:
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        fill(draft)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
