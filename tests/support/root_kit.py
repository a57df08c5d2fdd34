"""Root file systems without a container engine: debootstrap for the base, overlay mounts for layers, chroot to run.

A layer is a folder of its own over those below it, as an image's layers are. Everything that is mounted lives in
a mount namespace of its own and is gone when the command in it ends. Wants root, Linux and `debootstrap`.
"""

import os
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from sps_cli.servers.cache import whole

SUITE: Final = "bookworm"
ARCHIVE: Final = "http://deb.debian.org/debian"
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
INSIDE_CERTIFICATES: Final = "/run/host-certificates.crt"
PASSED_ON: Final = ("PIP_DEFAULT_TIMEOUT", "PIP_INDEX_URL", "http_proxy", "https_proxy", "no_proxy")
"""What this machine needs to reach the archives; a container engine hands the same on."""
COMMAND_S: Final = 900
NEEDS: Final = ("debootstrap", "unshare", "chroot", "setpriv")


def missing() -> str:
    """What has to be done before such a root can be made; empty when all is there."""
    if os.geteuid() != 0:
        return "mounts and chroot want root: run as root"
    lacking = [tool for tool in NEEDS if shutil.which(tool) is None]
    return (
        f"{', '.join(lacking)} missing: apt-get install debootstrap util-linux coreutils" if lacking else ""
    )


def debian() -> Path:
    """A minimal Debian, made once and kept in the cache. Nobody writes to it."""

    def fill(folder: Path) -> None:
        command = ["debootstrap", "--variant=minbase", SUITE, str(folder / "root"), ARCHIVE]
        subprocess.run(command, check=True, capture_output=True, timeout=COMMAND_S)  # noqa: S603 fixed words
        (folder / "root").chmod(0o755)

    return whole(f"debian-{SUITE}-minbase", fill) / "root"


class Root(Struct, frozen=True):
    """Layers over each other, the topmost first; `top` takes what is written."""

    top: Path
    below: tuple[Path, ...]

    def over(self, folder: Path) -> "Root":
        """A new empty layer over this root."""
        (folder / "layer").mkdir(parents=True)
        return Root(folder / "layer", (self.top, *self.below))

    def script(self, inner: str, *, at: Path, binds: Mapping[str, str], read_only: bool) -> str:
        """A shell script that mounts this root at `at` and goes on with `inner`. `binds`: host path → inside."""
        work = self.top.with_name(f"work-{uuid.uuid4().hex}")
        lower = ":".join(map(str, self.below))
        options = f"lowerdir={lower},upperdir={self.top},workdir={work}"
        lines = [
            "set -e",
            f"mkdir -p {work} {at}",
            f"mount -t overlay overlay -o {shlex.quote(options)} {at}",
            f"mkdir -p {at}/proc {at}/dev {at}/tmp {at}/run",
            f"mount -t tmpfs -o mode=1777,size=64m tmpfs {at}/tmp",
            f"mount -t tmpfs -o mode=755,size=8m tmpfs {at}/run",
            f"mount --rbind /dev {at}/dev",
            f"cp {CERTIFICATES} {at}{INSIDE_CERTIFICATES}",
        ]
        for outside, inside in binds.items():
            made = "mkdir -p" if Path(outside).is_dir() else "touch"
            lines += [f"mkdir -p $(dirname {at}{inside})", f"{made} {at}{inside}"]
        if read_only:
            lines.append(f"mount -o remount,ro {at}")
        lines += [f"mount --bind {outside} {at}{inside}" for outside, inside in binds.items()]
        lines += [f"mount -t proc proc {at}/proc", inner]
        return "\n".join(lines)

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        user: str = "0:0",
        workdir: str = "/",
        binds: Mapping[str, str] | None = None,
        read_only: bool = False,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run to its end; its words are kept."""
        started = self.start(
            command, environment, user=user, workdir=workdir, binds=binds, read_only=read_only, grab=True
        )
        try:
            said, _ = started.communicate(timeout=COMMAND_S)
        finally:
            started.kill()
        if check and started.returncode:
            raise AssertionError(f"{shlex.join(command)} ended with {started.returncode}: {said[-4_000:]}")
        return subprocess.CompletedProcess(list(command), started.returncode, said)

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        user: str = "0:0",
        workdir: str = "/",
        binds: Mapping[str, str] | None = None,
        read_only: bool = False,
        grab: bool = False,
        output: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start it as process 1 of a namespace of its own, without new privileges, as a container engine does."""
        at = self.top.with_name(f"root-{uuid.uuid4().hex}")
        variables = shlex.join(f"{name}={value}" for name, value in environment.items())
        words = f"--chdir={workdir} {variables} {shlex.join(command)}"
        no_more = "" if user == "0:0" else "setpriv --no-new-privs "
        inner = f"exec {no_more}chroot --userspec={user} --groups={user.partition(':')[2]} {at} /usr/bin/env -i {words}"
        script = self.script(inner, at=at, binds=binds or {}, read_only=read_only)
        sink = subprocess.PIPE if grab else (output or Path(os.devnull)).open("a")
        return subprocess.Popen(  # noqa: S603 our own script
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],  # noqa: S607
            stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip


def registry_environment() -> dict[str, str]:
    """What pip needs inside to reach its index from this machine."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed | {"PIP_CERT": INSIDE_CERTIFICATES}


def inner_pid(started: subprocess.Popen[str]) -> int:
    """The host's number of the process that is 1 inside."""
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    return int(children[0])


def bytes_of(layer: Path) -> int:
    """What a layer adds."""
    return sum(path.lstat().st_size for path in layer.rglob("*") if path.is_file() and not path.is_symlink())
