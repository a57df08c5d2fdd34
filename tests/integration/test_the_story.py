"""Alice's contract from the offer to the payout, with real consensus, real signatures and real wire formats."""

import asyncio

import httpx
import pytest
from platform_kit import (
    Process,
    check_the_end,
    misbehave,
    places,
    platform_with_story,
    process_with_story,
)

from sps_cli.story import Story, Tale

pytestmark = pytest.mark.slow

ROADS = [
    {"carrier": "dhl", "pay_with": "alipay", "target": "EUR", "cash_out_with": "stripe"},
    {"carrier": "easypost", "pay_with": "alipay", "target": "CNY", "cash_out_with": "alipay"},
    {"carrier": "dhl", "pay_with": "stripe", "currency": "EUR", "target": "USD", "cash_out_with": "stripe"},
]


@pytest.mark.parametrize("road", ROADS, ids=lambda road: f"{road['pay_with']}-{road['carrier']}")
async def test_the_story_ends_as_told(tmp_path, road):
    async with process_with_story(tmp_path, **road) as (process, story):
        await story.tell()
        await check_the_end(process.folder, story)


async def test_two_stories_at_once_do_not_meet(tmp_path):
    async with process_with_story(tmp_path) as (_, first):
        second = Story(first.places, Tale("another"), first._client)
        await asyncio.gather(first.tell(), second.tell())
        assert first.tale.payout != second.tale.payout
        provider = await first.provider_books()
        assert len(provider["payouts"]) == 2
        third = Story(first.places, Tale("third"), first._client)
        await third.tell()


@pytest.mark.parametrize("delay_s", [0.0, 0.06], ids=["at-once", "in-the-middle"])
async def test_the_process_is_killed_at_every_step_and_the_story_goes_on(tmp_path, delay_s):
    process = Process(tmp_path)
    await process.start()
    async with httpx.AsyncClient(trust_env=False) as client:
        story = Story(places(process.folder), Tale("killed"), client)
        try:
            for _name, step in story.steps():
                doomed = asyncio.create_task(step())
                await asyncio.sleep(delay_s)
                await process.kill()
                await asyncio.gather(doomed, return_exceptions=True)
                await process.start()
                await step()
            await check_the_end(process.folder, story)
        finally:
            await process.kill()


async def test_a_validator_may_stop_half_way_and_come_back(tmp_path):
    async with platform_with_story(tmp_path) as (platform, folder, story):
        for name, step in story.steps():
            if name == "pay":
                await platform.stop_one("node-2")
            if name == "convert":
                await platform.start_node(2)
            await step()
        await check_the_end(folder, story)


@pytest.mark.parametrize("road", ROADS, ids=lambda road: f"{road['pay_with']}-{road['carrier']}")
async def test_callbacks_come_three_times_and_out_of_order_and_change_nothing(tmp_path, road):
    async with process_with_story(tmp_path, **road) as (process, story):
        for provider in ("alipay", "stripe", "dhl", "easypost"):
            await misbehave(story, provider=provider, repeat=3, shuffle=True)
        await story.tell()
        await check_the_end(process.folder, story)


async def test_money_calls_whose_answer_is_lost_are_looked_up_and_not_repeated(tmp_path):
    async with process_with_story(tmp_path) as (process, story):
        for provider in ("alipay", "stripe"):
            await misbehave(story, provider=provider, drop_answer_after_executing=2)
        await story.tell()
        await check_the_end(process.folder, story)


async def test_a_second_start_continues_and_a_stop_is_quick(tmp_path):
    process = Process(tmp_path)
    took = await process.start()
    assert took < 10
    async with httpx.AsyncClient(trust_env=False) as client:
        story = Story(places(process.folder), Tale("continued"), client)
        for _, step in story.steps()[:5]:
            await step()
        assert process.resident_mb() < 400
        code, took = await process.stop()
        assert (code, took < 5) == (0, True)
        await process.start()
        for _, step in story.steps()[5:]:
            await step()
        await check_the_end(process.folder, story)
        await process.kill()
