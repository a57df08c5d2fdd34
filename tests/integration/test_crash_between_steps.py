"""A crash between any two steps of a service, at each of its named points, once each, in the middle of stories."""

import asyncio

import pytest
from platform_kit import check_the_end, platform_with_story

pytestmark = pytest.mark.slow

SETTLEMENT = (
    "follower.verified",
    "follower.executed",
    "settlement.inbox",
    "settlement.balances",
    "settlement.journals",
    "settlement.orders",
    "settlement.quotes",
    "follower.projected",
    "follower.cursor",
    "follower.committed",
    "relay.stored",
    "relay.appended",
    "settlement.published",
    "settlement.marked",
)
PAYMENT = (
    "callback.stored",
    "callback.proved",
    "callback.translated",
    "order.sending",
    "order.answered",
    "order.saved",
    "relay.stored",
    "relay.appended",
    "follower.executed",
    "follower.cursor",
)
CARRIER = ("relay.stored", "relay.appended", "follower.executed", "follower.projected", "follower.committed")
API = ("relay.stored", "relay.appended", "follower.executed", "follower.projected", "follower.committed")


class Dead(BaseException):
    """The process is gone at this point; nothing below may tidy up."""


class Reaper:
    """Lets one service die at each of the named points in turn, the n-th time it comes by, and raises it again."""

    def __init__(self, service: str, points: tuple[str, ...], after: int) -> None:
        self.service = service
        self.left = list(points)
        self.after = dict.fromkeys(points, after)
        self.died = asyncio.Event()
        self.count = 0

    def __call__(self, point: str) -> None:
        if self.died.is_set():
            raise Dead(point)  # the others of a dead process do not go on either
        if point not in self.left:
            return
        self.after[point] -= 1
        if self.after[point] < 0:
            self.left.remove(point)
            self.count += 1
            self.died.set()
            raise Dead(point)

    async def raise_again(self, platform) -> None:
        while True:
            await self.died.wait()
            await platform.stop_one(self.service)
            self.died.clear()
            await platform.start_service(self.service)


@pytest.mark.parametrize(
    ("service", "points"),
    [
        ("settlement", SETTLEMENT),
        ("payment-gateway", PAYMENT),
        ("carrier-gateway", CARRIER),
        ("contract-api", API),
    ],
)
@pytest.mark.parametrize("after", [0, 1])
async def test_a_service_dies_between_any_two_of_its_steps_and_nothing_is_lost(
    tmp_path, service, points, after
):
    reaper = Reaper(service, points, after)
    async with platform_with_story(tmp_path) as (platform, folder, story):
        platform.probes[service] = reaper
        await platform.stop_one(service)
        await platform.start_service(service)
        raising = asyncio.create_task(reaper.raise_again(platform))
        for _, step in story.steps():
            await _insist(step, raising)
        await check_the_end(folder, story)
        raising.cancel()
    assert reaper.count >= (len(points) if after == 0 else 1), f"never came by {reaper.left}"


async def _insist(step, raising) -> None:
    """A client that repeats the same request until it is answered."""
    for _ in range(20):
        if raising.done():
            raising.result()
        try:
            return await step()
        except Exception as error:  # noqa: BLE001 whatever the dying service answered
            last = error
            await asyncio.sleep(0.3)
    raise last
