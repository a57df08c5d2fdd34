"""Processes of ours end when they are told to, pause with all their children, and never outlive their parent."""

import asyncio
import getpass
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sps.runtime.errors import Refusal
from sps_cli.servers import ports
from sps_cli.servers.child import Child, children

AT_LAST_S = 5.0
USERS = ["", "nobody"] if os.geteuid() == 0 else [""]
"""Only root becomes another user."""
PARENT = """
import sys, time
from pathlib import Path
from sps_cli.servers.child import Child
child = Child(["sleep", "600"], Path(sys.argv[1]), sys.argv[2])
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""
FAMILY = """
import subprocess, time
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


async def until(holds):
    end = time.monotonic() + AT_LAST_S
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@pytest.fixture
def family(tmp_path):
    child = Child([sys.executable, "-c", FAMILY], tmp_path / "family.log")
    child.start()
    yield child
    asyncio.run(child.kill())
    with suppress(ProcessLookupError):
        os.kill(int(child.tail()), signal.SIGKILL)


async def with_its_child(family):
    await until(lambda: family.tail().endswith("\n"))
    assert children(family.pid) == [int(family.tail())]
    return family.pid, int(family.tail())


async def test_pausing_reaches_children_that_left_the_group(family):
    parent, child = await with_its_child(family)
    family.pause()
    await until(lambda: (state(parent), state(child)) == ("T", "T"))
    assert family.alive
    family.resume()
    await until(lambda: (state(parent), state(child)) == ("S", "S"))


async def test_killing_leaves_no_child_behind(family):
    _, child = await with_its_child(family)
    await family.kill()
    assert not family.alive
    await until(lambda: state(child) in {"gone", "Z"})


async def test_a_process_that_is_paused_can_be_stopped(family):
    await with_its_child(family)
    family.pause()
    assert await family.stop(signal.SIGTERM, AT_LAST_S)
    assert not family.alive


async def test_one_that_does_not_listen_is_killed_after_the_limit(tmp_path):
    child = Child(["sh", "-c", "trap '' TERM; echo deaf; sleep 600"], tmp_path / "deaf.log")
    child.start()
    await until(lambda: "deaf" in child.tail())
    assert not await child.stop(signal.SIGTERM, 0.1)
    assert not child.alive


async def test_what_does_not_run_can_be_stopped_and_killed_but_not_paused(tmp_path):
    child = Child(["true"], tmp_path / "true.log")
    assert await child.stop(signal.SIGTERM, AT_LAST_S)
    await child.kill()
    with pytest.raises(Refusal, match="NOT_RUNNING"):
        child.pause()


async def test_it_can_be_started_again_and_its_log_goes_on(tmp_path):
    child = Child(["echo", "here"], tmp_path / "echo.log")
    for _ in range(2):
        child.start()
        await until(lambda: not child.alive)
        assert child.tail() == "here\n"
    assert (tmp_path / "echo.log").read_text() == "here\nhere\n"


@pytest.mark.parametrize("user", USERS)
async def test_it_dies_with_its_parent(tmp_path, user):
    parent = subprocess.Popen(  # noqa: ASYNC220, S603 our own words, and nobody else waits
        [sys.executable, "-c", PARENT, str(tmp_path / "orphan.log"), user], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert state(child) != "gone"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await until(lambda: state(child) in {"gone", "Z"})


@pytest.mark.parametrize("user", USERS)
async def test_another_user_reaches_a_folder_that_only_its_owner_may_enter(tmp_path, user):
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    child = Child(["sh", "-c", f"id -un; ls -d {inner}"], tmp_path / "other.log", user)
    child.start()
    await until(lambda: not child.alive)
    assert child.tail() == f"{user or getpass.getuser()}\n{inner}\n"


def test_free_ports_are_not_those_of_outgoing_connections_and_none_is_given_twice():
    found = [ports.free_port() for _ in range(50)]
    assert len(set(found)) == 50
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(found) < max(first_outgoing, ports.HIGHEST_WITHOUT_RANGE + 1)


def test_a_port_on_which_somebody_listens_is_not_free():
    port = ports.free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_whoever_starts_servers_beside_others_is_given_ports_of_their_own(monkeypatch):
    monkeypatch.setattr(ports, "_given", set())
    monkeypatch.setenv("SPS_PORTS", "61200-61204")  # where nobody else takes any
    found = {ports.free_port() for _ in range(5)}
    assert found == set(range(61_200, 61_205))
    with pytest.raises(OSError, match="no free port between 61200 and 61204"):
        ports.free_port()


@pytest.mark.parametrize("bad", ["", "21000", "21004-21000", "80-90", "60000-70000", "a-b"])
def test_a_range_of_ports_that_is_none_is_refused_by_name(monkeypatch, bad):
    monkeypatch.setenv("SPS_PORTS", bad)
    with pytest.raises(ValueError, match="SPS_PORTS must be like 20000-24999"):
        ports.free_port()
