"""A fleet's processes: started, paused, killed, stopped, raised again, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sps.runtime.lifecycle import Backoff
from sps_cli.fleet import Fleet, NotReady
from sps_cli.fleet_keeper import Keeper
from sps_cli.state_folder import StateFolder
from sps_cli.wiring import backends_of

LIMIT_S = 60.0


@pytest.fixture
async def fleet(tmp_path):
    folder = StateFolder(tmp_path)
    folder.open(any_ports=True)
    fleet = Fleet(folder, backends_of(folder))
    yield fleet
    await fleet.close()
    folder.close()


def state_of(pid):
    """The kernel's letter for what a process does: T is stopped, Z is dead."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.slow
async def test_a_process_is_started_paused_resumed_killed_and_stopped(fleet):
    await fleet.start(names=["sandbox"])
    assert fleet.alive("sandbox")
    assert await fleet.is_ready("sandbox")
    assert "process.starts" in fleet.tail("sandbox")
    fleet.pause("sandbox")
    await until(lambda: state_of(fleet.pid("sandbox")) == "T")
    assert fleet.paused("sandbox")
    fleet.resume("sandbox")
    await fleet.ready("sandbox", LIMIT_S)
    await fleet.kill("sandbox")
    assert not fleet.alive("sandbox")
    assert fleet.fallen() == {}
    await fleet.start_one("sandbox")
    await fleet.ready("sandbox", LIMIT_S)
    fleet.pause("sandbox")  # who stands still is woken to end
    ended = await fleet.stop(["sandbox"])
    assert ended["sandbox"].well
    assert not await fleet.is_ready("sandbox")


@pytest.mark.slow
async def test_a_process_that_refuses_its_settings_says_why(fleet):
    fleet.folder.genesis_path.unlink()
    with pytest.raises(NotReady, match=r"node-0 has ended: (.|\n)*genesis"):
        await fleet.start(names=["node-0"])
    assert fleet.fallen() == {"node-0": 2}


@pytest.mark.slow
def test_a_process_ends_in_order_when_its_starter_is_gone(tmp_path):
    ready = tmp_path / "ready"
    module = tmp_path / "a_service.py"
    module.write_text(
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "sps_cli.child", "a_service"],
        stdin=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    end = time.monotonic() + LIMIT_S
    while not ready.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    process.stdin.close()
    assert process.wait(timeout=10) == 7


class Mortal:
    """A fleet whose processes die when told to."""

    def __init__(self):
        self.deaths = asyncio.Queue()
        self.started = []

    async def ended(self, name):
        return await self.deaths.get()

    async def start_one(self, name):
        self.started.append((name, time.monotonic()))

    def tail(self, name):
        return "BAD_SETTINGS"


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 another process's state has no event
            await asyncio.sleep(0.005)


async def test_the_fallen_are_raised_after_pauses_that_grow_and_it_is_said():
    fleet, said = Mortal(), []
    keeper = Keeper(fleet, said.append, Backoff(first_s=0.02, longest_s=0.05))
    keeper.start(("settlement",))
    for death in (-int(signal.SIGKILL), 1, 1):
        fleet.deaths.put_nowait(death)
    await until(lambda: len(fleet.started) == 3)
    await keeper.stop()
    assert said[0] == "settlement ended with signal 9; started again in 0.0 s"
    assert "exit code 1" in said[1]
    moments = [moment for _, moment in fleet.started]
    assert moments[1] - moments[0] >= 0.04
    assert moments[2] - moments[1] >= 0.05


async def test_who_refuses_its_settings_is_not_started_again():
    fleet, said = Mortal(), []
    keeper = Keeper(fleet, said.append)
    keeper.start(("settlement",))
    fleet.deaths.put_nowait(2)
    async with asyncio.timeout(10):
        assert await keeper.given_up() == "settlement"
    assert said == ["settlement refuses to run: BAD_SETTINGS"]
    assert fleet.started == []
    await keeper.stop()
