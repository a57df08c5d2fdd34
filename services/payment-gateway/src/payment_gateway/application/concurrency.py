"""Several steps side by side, where the trouble of one neither stops nor hides the others."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def side_by_side(steps: Iterable[Awaitable[T]]) -> list[T]:
    """Run all to their ends; then raise the first error as it is, so that its kind can be told."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
