import asyncio
import os
import signal

import pytest
from prometheus_client import CollectorRegistry

from sps.runtime import lifecycle
from sps.runtime.errors import Defect, Trouble
from sps.runtime.lifecycle import Backoff, Supervisor, run_services

QUICK = Backoff(first_s=0.001, longest_s=0.002, patience=2)


@pytest.mark.parametrize(("failures", "full_s"), [(1, 0.1), (2, 0.2), (5, 1.6), (10, 30.0), (10_000, 30.0)])
def test_pauses_double_up_to_a_bound_and_chance_shortens_them_by_up_to_half(
    failures: int, full_s: float
) -> None:
    assert Backoff().pause_s(failures, 0.0) == pytest.approx(full_s)
    assert Backoff().pause_s(failures, 1.0) == pytest.approx(full_s / 2)


async def test_trouble_is_tried_again_and_lasting_trouble_is_not_ready() -> None:
    supervisor, tries = Supervisor("test"), asyncio.Queue()
    well = asyncio.Event()

    async def body() -> None:
        await tries.put(None)
        if not well.is_set():
            raise Trouble("the world failed")
        await asyncio.sleep(60)

    supervisor.run("loop", body, QUICK)
    assert supervisor.ready()
    for _ in range(4):
        await asyncio.wait_for(tries.get(), 2)
    assert not supervisor.ready()
    assert supervisor.defect is None
    well.set()
    while not tries.empty():
        tries.get_nowait()
    await asyncio.wait_for(tries.get(), 2)
    lifecycle_settled, lifecycle.SETTLED_S = lifecycle.SETTLED_S, 0.0
    try:
        await asyncio.sleep(0.01)
        assert supervisor.ready(), "it runs again"
    finally:
        lifecycle.SETTLED_S = lifecycle_settled
    await supervisor.stop()


@pytest.mark.parametrize("error", [Defect("broken"), ZeroDivisionError()])
async def test_a_defect_ends_the_loop_and_the_service_says_so(error: Exception) -> None:
    registry = CollectorRegistry()
    supervisor, runs = Supervisor("test", registry), []

    async def body() -> None:
        runs.append(1)
        raise error

    supervisor.run("loop", body, QUICK)
    await asyncio.wait_for(supervisor.failed(), 2)
    await asyncio.sleep(0.01)
    assert supervisor.defect is error
    assert runs == [1]
    assert not supervisor.ready()
    assert registry.get_sample_value("sps_tasks_crashed_total", {"task": "loop"}) == 1
    await supervisor.stop()


async def test_stopping_waits_for_loops_within_a_bound(monkeypatch) -> None:
    monkeypatch.setattr(lifecycle, "STOP_S", 0.05)
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    supervisor = Supervisor("test")
    supervisor.run("loop", stubborn)
    await asyncio.sleep(0)
    await asyncio.wait_for(supervisor.stop(), 1)
    release.set()
    await asyncio.sleep(0.01)


class Recorder:
    """A service that notes what happens to it."""

    def __init__(self, name: str, notes: list[str], *, hang: bool = False, broken: bool = False) -> None:
        self.name, self._notes, self._hang, self._broken = name, notes, hang, broken
        self.failure = asyncio.Event()

    async def start(self) -> None:
        if self._broken:
            raise Trouble("no start")
        self._notes.append(f"start {self.name}")

    async def stop(self) -> None:
        self._notes.append(f"stop {self.name}")
        if self._hang:
            await asyncio.sleep(60)

    def ready(self) -> bool:
        return True

    async def failed(self) -> None:
        await self.failure.wait()


async def test_services_start_in_order_and_stop_in_reverse_on_sigterm() -> None:
    notes: list[str] = []
    running = asyncio.create_task(run_services([Recorder("a", notes), Recorder("b", notes)]))
    await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 2) == 0
    assert notes == ["start a", "start b", "stop b", "stop a"]


async def test_a_failed_service_ends_the_process_with_an_error() -> None:
    notes: list[str] = []
    service = Recorder("a", notes)
    service.failure.set()
    assert await asyncio.wait_for(run_services([service]), 2) == 1
    assert notes == ["start a", "stop a"]


async def test_a_service_that_hangs_while_stopping_is_left_behind(monkeypatch) -> None:
    real = lifecycle.stop_bounded
    monkeypatch.setattr(lifecycle, "stop_bounded", lambda stop, what: real(stop, what, 0.02))
    notes: list[str] = []
    end = asyncio.Event()
    end.set()
    code = await asyncio.wait_for(
        run_services([Recorder("a", notes), Recorder("b", notes, hang=True)], until=end), 2
    )
    assert code == 1
    assert notes[-1] == "stop a"


async def test_what_has_started_is_stopped_when_the_next_cannot_start() -> None:
    notes: list[str] = []
    with pytest.raises(Trouble):
        await run_services([Recorder("a", notes), Recorder("b", notes, broken=True)])
    assert notes == ["start a", "stop b", "stop a"]
