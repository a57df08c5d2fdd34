"""How a process ends, with services that misbehave on order. (The real ones: `libs/cli/tests/test_processes.py`.)"""

import asyncio
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest
import uvloop

from sps.runtime import process

SOON_S = 12
"""Nothing here waits longer by itself, except for what lasts a minute and must not be waited for."""

SCRIPT = """
import sps.runtime.early

import asyncio, os, sys, threading, time
from prometheus_client import CollectorRegistry
from sps.runtime import process
from sps.runtime.errors import Refusal, Trouble
from sps.runtime.monitor import Monitor
from sps.runtime.settings import ProcessSettings, settings_config

class Settings(ProcessSettings):
    model_config = settings_config("TRIAL_")
    uses_event_log = False

class Trial:
    name = "trial"

    def __init__(self):
        self.monitor = Monitor("trial", CollectorRegistry(), dict)
        self.broken = asyncio.Event()

    async def start(self):
        await self.monitor.start()
        await start(self)
        print("up", flush=True)

    async def stop(self):
        await stop(self)
        await self.monitor.stop()

    def ready(self):
        return True

    async def failed(self):
        await self.broken.wait()

async def start(trial): pass
async def stop(trial): pass
async def build(settings):
    print("built", flush=True)
    return Trial()

{body}
sys.exit(process.run("trial", Settings, build))
"""


class Trial:
    """A script under way; `until` waits for a word of its output."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._process = running
        self.out = ""

    @classmethod
    async def begin(cls, folder: Path, body: str = "", **variables: str) -> "Trial":
        script = folder / "trial.py"
        script.write_text(SCRIPT.replace("{body}", textwrap.dedent(body)))
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, str(script), env=variables,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip

    async def until(self, word: str) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while word not in self.out:
                line = await self._process.stdout.readline()
                assert line, self.out
                self.out += line.decode()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self) -> tuple[int, str, float]:
        """Exit code, what it said on stderr, and how long it took."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(60):
                out, err = await self._process.communicate()
        finally:
            if self._process.returncode is None:
                self._process.kill()
        self.out += out.decode()
        assert self._process.returncode is not None
        return self._process.returncode, err.decode(), time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_asked_to_end_it_ends_with_0_and_says_so(tmp_path, number) -> None:
    trial = await Trial.begin(tmp_path)
    await trial.until("up")
    trial.signal(number)
    code, err, _ = await trial.end()
    assert (code, err) == (0, "")
    assert f'"signal": "{number.name}"' in trial.out


async def test_asked_to_end_while_it_imports_it_ends_with_0(tmp_path) -> None:
    trial = await Trial.begin(tmp_path, "import time; print('importing', flush=True); time.sleep(20)")
    await trial.until("importing")
    trial.signal(signal.SIGTERM)
    code, err, seconds = await trial.end()
    assert (code, err) == (0, "")
    assert seconds < SOON_S


@pytest.mark.parametrize("waiting", ["await asyncio.sleep(60)", "raise Trouble('not there yet')"])
async def test_asked_to_end_while_it_starts_it_stops_what_it_has_begun(tmp_path, waiting) -> None:
    trial = await Trial.begin(
        tmp_path,
        f"""
        async def start(trial):
            print("starting", flush=True)
            {waiting}

        async def stop(trial):
            print("stopped", flush=True)
        """,
    )
    await trial.until("starting")
    trial.signal(signal.SIGTERM)
    code, err, seconds = await trial.end()
    assert (code, err) == (0, "")
    assert "stopped" in trial.out
    assert seconds < SOON_S


@pytest.mark.parametrize("loop_hangs", [False, True])
async def test_a_second_signal_ends_it_at_once(tmp_path, loop_hangs) -> None:
    hanging = "time.sleep(60)" if loop_hangs else "await asyncio.sleep(60)"
    trial = await Trial.begin(
        tmp_path,
        f"""
        async def stop(trial):
            print("stopping", flush=True)
            {hanging}
        """,
    )
    await trial.until("up")
    trial.signal(signal.SIGTERM)
    await trial.until("stopping")
    trial.signal(signal.SIGTERM)
    code, _, seconds = await trial.end()
    assert code == -signal.SIGTERM
    assert seconds < SOON_S


async def test_a_stop_that_blocks_the_loop_is_ended_when_the_grace_is_over(tmp_path) -> None:
    trial = await Trial.begin(
        tmp_path,
        """
        process.GRACE_S = 1.5

        async def stop(trial):
            time.sleep(60)
        """,
    )
    await trial.until("up")
    trial.signal(signal.SIGTERM)
    code, err, seconds = await trial.end()
    assert code == 1
    assert "did not end within" in err
    assert seconds < SOON_S


async def test_a_stop_that_never_returns_and_threads_that_nobody_ended_are_left_behind(tmp_path) -> None:
    trial = await Trial.begin(
        tmp_path,
        """
        process.SERVICE_STOP_S = 0.1

        async def start(trial):
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
            trial.stubborn = asyncio.create_task(stubborn())

        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass

        async def stop(trial):
            await asyncio.sleep(60)
        """,
    )
    await trial.until("up")
    trial.signal(signal.SIGTERM)
    code, _, seconds = await trial.end()
    assert code == 0
    assert seconds < SOON_S


async def test_a_defect_is_logged_and_ends_with_1(tmp_path) -> None:
    trial = await Trial.begin(
        tmp_path,
        """
        async def start(trial):
            raise ZeroDivisionError("canary")
        """,
    )
    code, err, _ = await trial.end()
    assert (code, err) == (1, "")
    assert '"event": "process.defect"' in trial.out
    assert "canary" in trial.out


async def test_a_loop_with_a_defect_ends_the_process_with_1(tmp_path) -> None:
    trial = await Trial.begin(
        tmp_path,
        """
        async def start(trial):
            trial.broken.set()
        """,
    )
    code, err, _ = await trial.end()
    assert (code, err) == (1, "")
    assert '"asked": false' in trial.out


@pytest.mark.parametrize(
    ("body", "variables", "words"),
    [
        ("", {"TRIAL_PROT": "1"}, "trial: TRIAL_PROT: there is no such setting; is TRIAL_PORT meant? (SETTING_UNKNOWN)"),
        ("", {"TRIAL_PORT": "x"}, "trial: TRIAL_PORT: Input should be a valid integer"),
        (
            "async def start(trial): raise Refusal('OTHER_CHAIN', 'not ours')",
            {},
            "trial: not ours (OTHER_CHAIN)",
        ),
        (
            "async def build(settings): raise Refusal('WRONG_KEY', 'not ours')",
            {},
            "trial: not ours (WRONG_KEY)",
        ),
        (
            "async def build(settings): open('/nowhere/key')",
            {},
            "trial: /nowhere/key: No such file or directory (FILE_UNUSABLE)",
        ),
    ],
)  # fmt: skip
async def test_a_refusal_is_one_clear_line_and_2(tmp_path, body, variables, words) -> None:
    trial = await Trial.begin(tmp_path, body, **variables)
    code, err, _ = await trial.end()
    assert code == 2
    assert err.startswith(words)
    assert err.count("\n") == 1


async def test_trouble_at_the_start_is_waited_out_alive(tmp_path) -> None:
    trial = await Trial.begin(
        tmp_path,
        """
        tries = []

        async def start(trial):
            tries.append(1)
            if len(tries) < 4:
                raise Trouble("not there yet")
        """,
    )
    await trial.until("up")
    assert trial.out.count("start.trouble") == 3
    trial.signal(signal.SIGTERM)
    assert (await trial.end())[0] == 0


def test_the_loop_is_the_fast_one_and_nothing_is_left_in_it() -> None:
    left: list[asyncio.Task[None]] = []

    async def main() -> int:
        left.append(asyncio.create_task(asyncio.sleep(60)))
        return 7 if isinstance(asyncio.get_running_loop(), uvloop.Loop) else 0

    assert process._run_loop(main()) == 7
    assert left[0].cancelled()


def test_the_parts_of_a_stop_together_are_shorter_than_the_grace() -> None:
    from sps.runtime.lifecycle import GIVE_UP_S

    parts = (process.SERVICE_STOP_S, process.LOG_STOP_S, process.MONITOR_STOP_S)
    assert GIVE_UP_S + sum(parts) + process.LEFT_TASKS_S + process.LEFT_THREADS_S < process.GRACE_S
