"""The benches that lie beside the library, in the source tree: found there, run as programs or loaded."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from sps.runtime.errors import Refusal

_ROOT: Final = Path(__file__).parents[5]
_FOLDER: Final = Path("libs/common/bench")
PROGRAM_S: Final = 120.0


def program(name: str) -> Path:
    """The path of a bench program; raises `Refusal` outside a source tree."""
    path = _ROOT / _FOLDER / name
    if not path.is_file():
        raise Refusal("NO_SOURCE_TREE", "the benches need the source tree: run `make bench` in a checkout")
    return path


def run_program(name: str, *arguments: str) -> dict[str, Any]:
    """Run a bench program in a process of its own; returns what it wrote with `--json`."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        command = [sys.executable, str(program(name)), "--json", str(out), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=PROGRAM_S)  # noqa: S603 our own
        return dict(json.loads(out.read_bytes()))


def load_program(name: str) -> ModuleType:
    """The bench program as a module, for its workload."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, program(name))
    if spec is None or spec.loader is None:
        raise Refusal("NO_SOURCE_TREE", f"{name} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
