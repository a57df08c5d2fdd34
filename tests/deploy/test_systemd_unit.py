"""The unit of a node: systemd can read it, it is closed as far as a node can be, and it fits to the process it starts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sps.runtime.process import GRACE_S, REFUSED
from sps_cli.node.folder import USUAL

pytestmark = pytest.mark.deploy

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "sps-node.service"
TEXT = UNIT.read_text(encoding="utf-8")
EXPOSURE_MAX = 15
"""Tenths, of 100. 12 with systemd 252."""


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.fail("systemd-analyze is missing: apt-get install systemd")
    command = ["systemd-analyze", "--no-pager", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 fixed words


def test_systemd_finds_nothing_wrong_with_it(tmp_path):
    """But that what it starts is not installed here: a program that is takes its place."""
    there = tmp_path / UNIT.name
    there.write_text(TEXT.replace("/opt/sps/bin/sps", "/bin/true"))
    said = analyze("verify", "--man=no", str(there))
    assert (said.returncode, said.stderr) == (0, "")


def test_systemd_calls_it_closed():
    said = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(UNIT))
    assert said.returncode == 0, said.stdout


def test_the_check_of_the_exposure_bites(tmp_path):
    there = tmp_path / UNIT.name
    there.write_text(TEXT.replace("ProtectSystem=strict", "").replace("PrivateUsers=yes", ""))
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(there)).returncode != 0


def test_it_waits_longer_than_the_node_needs_and_leaves_a_refusal_alone():
    found = dict(re.findall(r"^(\w+)=(.*)$", TEXT, re.MULTILINE))
    assert int(found["TimeoutStopSec"]) > GRACE_S
    assert found["RestartPreventExitStatus"] == str(REFUSED)
    assert found["ExecStart"].endswith(f"sps node run --folder {USUAL}")
    assert found["ConditionPathExists"] == f"{USUAL}/node.env"
    assert f"/var/lib/{found['StateDirectory']}" == str(USUAL.parent)
