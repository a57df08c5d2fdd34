"""Several at a time, but not too many: one failure is told after all have ended, and none is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

Item = TypeVar("Item")

TOGETHER_MAX: Final = 8


async def each(items: Iterable[Item], work: Callable[[Item], Awaitable[None]]) -> None:
    """Do the work for every item, at most `TOGETHER_MAX` at a time; raises the first failure at the end."""
    gate = asyncio.Semaphore(TOGETHER_MAX)

    async def one(item: Item) -> None:
        async with gate:
            await work(item)

    outcomes = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
