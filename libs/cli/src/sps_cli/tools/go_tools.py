"""Which programs, at which versions, and how Go builds each.

A module that may be installed as it is goes by `go install`. One that lists replacements of its own is built
through a small module of ours, which repeats them (`deploy/tools/`).
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from msgspec import Struct

from sps.runtime.errors import Refusal, Trouble
from sps_cli.servers.cache import cache_folder, whole

BUILD_S: Final = 1_800.0
"""The largest one takes four minutes on two free processors."""
SAID_CHARACTERS: Final = 3_000


class Tool(Struct, frozen=True):
    """One program. `package`: what `go install` takes; or `module`: a folder of ours."""

    name: str
    version: str
    package: str = ""
    ldflags: str = ""
    module: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


_HELM_3: Final = "helm.sh/helm/v3/pkg"
HELM_3: Final = Tool(
    "helm",
    "3.22.0",
    "helm.sh/helm/v3/cmd/helm",
    # Built without these it takes every cluster that it cannot ask for a very old one.
    f"-X {_HELM_3}/chartutil.k8sVersionMajor=1 -X {_HELM_3}/chartutil.k8sVersionMinor=34 "
    f"-X {_HELM_3}/lint/rules.k8sVersionMajor=1 -X {_HELM_3}/lint/rules.k8sVersionMinor=34",
)
HELM_4: Final = Tool("helm", "4.3.1", "helm.sh/helm/v4/cmd/helm")


def _of_kubernetes(name: str, version: str, module: str) -> Tool:
    major, minor, _ = version.split(".")
    said = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    ldflags = " ".join(f"-X k8s.io/component-base/version.{key}={word}" for key, word in said.items())
    return Tool(name, version, ldflags=ldflags, module=module)


KUBE_APISERVERS: Final = tuple(
    _of_kubernetes("kube-apiserver", version, f"kube-apiserver-{version.rpartition('.')[0]}")
    for version in ("1.30.14", "1.34.4", "1.37.2")
)
"""The oldest that the chart allows, the usual one, the newest."""
KUBERNETES: Final = KUBE_APISERVERS[1].version
KUBECTL: Final = _of_kubernetes("kubectl", KUBERNETES, "kubectl")
TOOLS: Final = (HELM_3, HELM_4, *KUBE_APISERVERS, KUBECTL)


def tool_path(tool: Tool, modules: Path) -> Path:
    """The program; Refusal `TOOL_MISSING` with the command that gets it. `modules`: `deploy/tools`."""
    path = cache_folder() / _folder_of(tool, modules) / tool.name
    if not path.is_file():
        raise Refusal("TOOL_MISSING", f"{tool.label} is not in the cache: run `sps tools fetch`")
    return path


def fetch(tool: Tool, modules: Path) -> Path:
    """The program, built now if it is not in the cache. Refusal `NO_GO`; Trouble when the build failed."""
    return whole(_folder_of(tool, modules), lambda folder: _build(tool, modules, folder)) / tool.name


def _folder_of(tool: Tool, modules: Path) -> str:
    """Keyed by everything that the program is made of."""
    made_of = f"{tool.package} {tool.ldflags}".encode()
    if tool.module:
        made_of += b"".join(path.read_bytes() for path in sorted((modules / tool.module).iterdir()))
    return f"{tool.name}-{tool.version}-{hashlib.sha256(made_of).hexdigest()[:8]}"


def _build(tool: Tool, modules: Path, folder: Path) -> None:
    words = ["install", "-trimpath", "-ldflags", f"-s -w {tool.ldflags}"]
    where = folder
    if tool.package:
        words.append(f"{tool.package}@v{tool.version}")
    else:
        words = [
            "build",
            "-trimpath",
            "-ldflags",
            f"-s -w {tool.ldflags}",
            "-o",
            str(folder / tool.name),
            ".",
        ]
        where = (modules / tool.module).resolve()
    environment = os.environ | {"GOBIN": str(folder), "CGO_ENABLED": "0"}
    try:
        done = subprocess.run(  # noqa: S603 our own words
            [go_program(), *words],
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
            cwd=where,
            env=environment,
        )
    except subprocess.TimeoutExpired as late:
        raise Trouble(f"{tool.label} was not built within {BUILD_S:.0f} s") from late
    if done.returncode or not (folder / tool.name).is_file():
        raise Trouble(f"{tool.label} was not built:\n{(done.stdout + done.stderr)[-SAID_CHARACTERS:]}")


def go_program() -> str:
    """The compiler that `make test-deploy` installs beside Python, else the machine's. Refusal `NO_GO`."""
    path = shutil.which("go", path=str(Path(sys.executable).parent)) or shutil.which("go")
    if path is None:
        raise Refusal("NO_GO", "building the tools needs Go 1.26: `make test-deploy` installs it")
    return path
