"""Surveys: made now and then, never too often, and never a reason to stop."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from sps.runtime import surveys as surveys_module
from sps.runtime.clock import ManualClock
from sps.runtime.lifecycle import Supervisor
from sps.runtime.surveys import Surveys

SINCE = "sps_survey_last_success_timestamp_seconds"


class World:
    """A survey that counts its calls and fails when it is told to."""

    def __init__(self) -> None:
        self.registry, self.clock = CollectorRegistry(), ManualClock(1_000_000)
        self.supervisor = Supervisor("test", self.registry)
        self.surveys = Surveys("test", self.supervisor, self.registry, self.clock)
        self.made, self.lasts_s, self.broken = 0, 0.0, False

    async def survey(self) -> None:
        self.made += 1
        await asyncio.sleep(self.lasts_s)
        if self.broken:
            raise ZeroDivisionError

    async def made_again(self) -> None:
        before = self.made
        async with asyncio.timeout(2):
            while self.made < before + 2:  # noqa: ASYNC110 what is waited for has no event
                await asyncio.sleep(0.001)

    def since(self) -> float:
        return self.registry.get_sample_value(SINCE, {"survey": "books"}) or 0.0


@pytest.fixture
async def world():
    made = World()
    yield made
    await made.supervisor.stop()


async def test_a_survey_is_repeated_and_says_when_it_last_succeeded(world):
    world.surveys.run("books", world.survey, 0.001)
    assert world.since() == 1000
    world.clock.advance(5_000)
    await world.made_again()
    assert world.since() == 1005


async def test_a_survey_that_fails_shows_by_its_age_and_stops_nothing(world):
    world.broken = True
    world.surveys.run("books", world.survey, 0.001)
    world.clock.advance(5_000)
    await world.made_again()
    assert world.since() == 1000
    assert world.supervisor.ready()
    world.broken = False
    await world.made_again()
    assert world.since() == 1005


async def test_a_long_survey_pauses_for_many_times_as_long(world, monkeypatch):
    pauses = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds > 0.1:
            pauses.append(seconds)
            seconds = 0.0
        await sleep(seconds)

    monkeypatch.setattr(surveys_module.asyncio, "sleep", noted)
    world.lasts_s = 0.02
    world.surveys.run("books", world.survey, 0.001)
    await world.made_again()
    assert min(pauses) >= surveys_module.SHARE * world.lasts_s * 0.9
