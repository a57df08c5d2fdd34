"""A real API server of Kubernetes on a real etcd, for as long as a test session needs one.

Nothing runs in pods: there is no scheduler and no kubelet. Schemas, defaults, admission, immutable fields, server-side
apply, upgrades and rollbacks are real.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, Self

import yaml
from chart_kit import MODULES
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sps_cli.servers.ports import free_port
from sps_cli.tools.go_tools import KUBECTL, Tool, tool_path

HELMS_MEMORY: Final = "helm.sh/release.v1"
KUBECTL_S: Final = 60.0
START_S: Final = 60.0
STOP_S: Final = 15.0
TOKEN: Final = "token-of-the-tests"


class ApiServer:
    """Use it as a context; `kubectl` and `kubeconfig` reach it as its administrator."""

    def __init__(self, tool: Tool, folder: Path) -> None:
        self.tool: Final = tool
        self.folder: Final = folder
        self.port: Final = free_port()
        self.kubeconfig: Final = folder / "kubeconfig"
        self._ends: Final = ExitStack()
        self._known: Final[list[str]] = []

    def __enter__(self) -> Self:
        program = str(tool_path(self.tool, MODULES))
        self._write_files()
        try:
            self._run("kube-apiserver", [program, *self._flags(self._start_etcd())])
            self._wait_until_ready()
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def kubectl(self, *words: str, given: str | None = None, fails: bool = False) -> str:
        """What kubectl printed, both ways; an assertion when it ended otherwise than expected."""
        done = self._kubectl(words, given)
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def listed(self, namespace: str) -> list[dict[str, Any]]:
        """Everything in a namespace but events."""
        done = self._kubectl(("get", ",".join(self._kinds()), "-n", namespace, "-o", "json"))
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
        return found

    def apply(self, *objects: dict[str, Any]) -> str:
        """Create or change objects."""
        return self.kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(objects))

    def objects(self, namespace: str) -> tuple[dict[str, Any], ...]:
        """Everything in a namespace but events and Helm's own memory."""
        return tuple(each for each in self.listed(namespace) if each.get("type") != HELMS_MEMORY)

    def names(self, namespace: str) -> set[tuple[str, str]]:
        """Kinds and names of everything in a namespace but events, Helm's memory included.

        Without what is on its way out: a disk waits for a controller to let it go, and there is none.
        """
        found = [each["metadata"] | {"kind": each["kind"]} for each in self.listed(namespace)]
        return {(each["kind"], each["name"]) for each in found if "deletionTimestamp" not in each}

    def accounts(self, namespace: str, objects: Iterable[dict[str, Any]]) -> None:
        """Make the service accounts among these objects, without which no pod is taken."""
        for each in objects:
            if each["kind"] == "ServiceAccount":
                self.apply(each | {"metadata": each["metadata"] | {"namespace": namespace}})

    def _kinds(self) -> list[str]:
        """Every kind that lives in a namespace and is kept; the server answers once."""
        if not self._known:
            words = ("api-resources", "--namespaced", "--verbs=list,delete", "-o", "name")
            self._known.extend(kind for kind in self.kubectl(*words).split() if not kind.startswith("events"))
        return self._known

    def _kubectl(self, words: Sequence[str], given: str | None = None) -> "subprocess.CompletedProcess[str]":
        command = [str(tool_path(KUBECTL, MODULES)), "--kubeconfig", str(self.kubeconfig), *words]
        return subprocess.run(  # noqa: S603 our own words
            command, input=given, capture_output=True, text=True, timeout=KUBECTL_S, check=False
        )

    def log(self) -> str:
        return (self.folder / "kube-apiserver.log").read_text()[-3_000:]

    def _write_files(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        form = serialization.PrivateFormat.TraditionalOpenSSL
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (self.folder / "accounts.pem").write_bytes(pem)
        (self.folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        cluster = {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": {"token": TOKEN}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))
        self.kubeconfig.chmod(0o600)

    def _start_etcd(self) -> str:
        program = shutil.which("etcd")
        assert program, "the API server keeps its objects in etcd (Debian: apt-get install etcd-server)"
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        words = ["--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync"]
        words += ["--listen-client-urls", client, "--advertise-client-urls", client]
        words += [
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            f"default={peer}",
        ]
        self._run("etcd", [program, *words])
        return client

    def _flags(self, etcd: str) -> list[str]:
        flags = {
            "etcd-servers": etcd,
            "secure-port": self.port,
            "bind-address": "127.0.0.1",
            "cert-dir": self.folder / "certificates",
            "token-auth-file": self.folder / "tokens.csv",
            "authorization-mode": "RBAC",
            "service-cluster-ip-range": "10.0.0.0/24",
            "service-account-issuer": "https://tests",
            "service-account-key-file": self.folder / "accounts.pem",
            "service-account-signing-key-file": self.folder / "accounts.pem",
        }
        return [f"--{name}={value}" for name, value in flags.items()]

    def _run(self, name: str, command: list[str]) -> None:
        output = self._ends.enter_context((self.folder / f"{name}.log").open("wb"))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            *command,
        ]  # a test run that is killed leaves nothing behind
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)  # noqa: S603 our own words
        self._ends.callback(_stop, process)

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            done = self._kubectl(("get", "--raw", "/readyz"))
            if not done.returncode:
                return
            time.sleep(0.3)
        raise AssertionError(f"the API server did not come up: {self.log()}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
        return
    process.kill()
    process.wait()
