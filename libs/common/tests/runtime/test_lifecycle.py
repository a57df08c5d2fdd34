import asyncio

import pytest
from prometheus_client import CollectorRegistry

from sps.runtime import lifecycle
from sps.runtime.errors import Defect, Refusal, Trouble
from sps.runtime.lifecycle import Backoff, Part, Steps, Supervisor, run_parts, stop_all

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
    monkeypatch.setattr(lifecycle, "LOOPS_STOP_S", 0.05)
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
    """Something to be started and stopped that notes what happens to it."""

    def __init__(
        self,
        name: str,
        notes: list[str],
        *,
        hang: str = "",
        failures: int = 0,
        error: Exception | None = None,
    ) -> None:
        self.name, self._notes, self._hang, self._failures, self._error = name, notes, hang, failures, error
        self.begun, self.failure = asyncio.Event(), asyncio.Event()

    def part(self, stop_s: float = 1.0) -> Part:
        return Part(self.name, self._start, self._stop, stop_s, self._failed)

    async def _start(self) -> None:
        self.begun.set()
        if self._hang == "start":
            await asyncio.sleep(60)
        if self._failures:
            self._failures -= 1
            self._notes.append(f"trouble {self.name}")
            raise Trouble("not there yet")
        if self._error is not None:
            raise self._error
        self._notes.append(f"start {self.name}")

    async def _stop(self) -> None:
        self._notes.append(f"stop {self.name}")
        if self._hang == "stop":
            await asyncio.sleep(60)

    async def _failed(self) -> None:
        await self.failure.wait()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(lifecycle, "START_BACKOFF", QUICK)


async def test_parts_start_in_order_and_stop_in_reverse(notes) -> None:
    first, second, end = Recorder("a", notes), Recorder("b", notes), asyncio.Event()
    running = asyncio.create_task(run_parts([first.part(), second.part()], end))
    await second.begun.wait()
    await asyncio.sleep(0)
    end.set()
    async with asyncio.timeout(2):
        assert await running, "the end was asked for"
    assert notes == ["start a", "start b", "stop b", "stop a"]


async def test_what_is_not_there_yet_is_waited_for(notes) -> None:
    late, end = Recorder("a", notes, failures=3), asyncio.Event()
    running = asyncio.create_task(run_parts([late.part()], end))
    while "start a" not in notes:  # noqa: ASYNC110 a list of notes has no event
        await asyncio.sleep(0.001)
    end.set()
    assert await running
    assert notes == ["trouble a"] * 3 + ["start a", "stop a"]


@pytest.mark.parametrize("waiting", [{"hang": "start"}, {"failures": 1_000_000}])
async def test_being_asked_to_end_is_seen_while_a_part_starts(notes, waiting) -> None:
    first, stuck, never = Recorder("a", notes), Recorder("b", notes, **waiting), Recorder("c", notes)
    end = asyncio.Event()
    running = asyncio.create_task(run_parts([each.part() for each in (first, stuck, never)], end))
    await stuck.begun.wait()
    end.set()
    async with asyncio.timeout(2):
        assert await running
    assert [note for note in notes if not note.startswith("trouble")] == ["start a", "stop b", "stop a"]


async def test_a_start_that_cannot_be_broken_off_is_left_behind(notes, monkeypatch) -> None:
    monkeypatch.setattr(lifecycle, "GIVE_UP_S", 0.02)
    release, begun, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                begun.set()
                await release.wait()
            except asyncio.CancelledError:
                continue

    part = Part("b", stubborn, Recorder("b", notes)._stop)
    running = asyncio.create_task(run_parts([part], end))
    await begun.wait()
    end.set()
    async with asyncio.timeout(1):
        assert await running
    assert notes == ["stop b"]
    release.set()
    await asyncio.sleep(0.01)


async def test_a_defect_ends_all_parts(notes) -> None:
    part = Recorder("a", notes)
    part.failure.set()
    assert not await run_parts([part.part()], asyncio.Event())
    assert notes == ["start a", "stop a"]


@pytest.mark.parametrize("error", [Refusal("WRONG_KEY"), Defect("broken")])
async def test_a_start_that_is_refused_is_not_tried_again(notes, error) -> None:
    parts = [Recorder("a", notes).part(), Recorder("b", notes, error=error).part()]
    with pytest.raises(type(error)):
        await run_parts(parts, asyncio.Event())
    assert notes == ["start a", "stop b", "stop a"]


async def test_a_part_that_hangs_while_stopping_is_left_behind(notes) -> None:
    end = asyncio.Event()
    end.set()
    parts = [Recorder("a", notes).part(), Recorder("b", notes, hang="stop").part(0.02)]
    started = asyncio.create_task(run_parts(parts, asyncio.Event()))
    while "start b" not in notes:  # noqa: ASYNC110 a list of notes has no event
        await asyncio.sleep(0.001)
    started.cancel()
    with pytest.raises(asyncio.CancelledError):
        await started
    assert notes[-2:] == ["stop b", "stop a"]


async def test_steps_go_on_with_the_one_that_failed(notes) -> None:
    first, second = Recorder("a", notes), Recorder("b", notes, failures=1)
    steps = Steps(first._start, second._start)
    with pytest.raises(Trouble):
        await steps.run()
    await steps.run()
    await steps.run()
    assert notes == ["start a", "trouble b", "start b"]


async def test_one_that_cannot_be_stopped_does_not_keep_the_next_from_it(notes) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    await stop_all(("a", broken), ("b", Recorder("b", notes)._stop))
    assert notes == ["stop b"]
