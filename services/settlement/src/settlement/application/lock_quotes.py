"""Offers a rate for every request that waits, at the newest state of the chain.

Not in the fold: after an absence the fold meets requests that are long over, and the newest state tells.
"""

import asyncio
from typing import Final

from settlement.application.ports import ChainView, QuoteRegister
from settlement.core.quotes import QuotePolicy, lock, usable

ROUND_MAX: Final = 200
"""Quotes of one round."""


class LockQuotes:
    """One lock per quote and snapshot; without a fresh snapshot requests wait for the next one."""

    def __init__(self, register: QuoteRegister, chain: ChainView, policy: QuotePolicy) -> None:
        self._register: Final = register
        self._chain: Final = chain
        self._policy: Final = policy
        self.wake: Final = asyncio.Event()

    async def round(self) -> int:
        """Offer the oldest; returns how many requests were looked at."""
        self.wake.clear()
        rates = usable(self._chain.state)
        if rates is None:
            return 0
        quotes = await self._register.waiting(rates.document, ROUND_MAX)
        if not quotes:
            return 0
        state = self._chain.state
        if usable(state) is not rates:  # a block came between; look again at the newer rates
            return len(quotes)
        locks = [made for quote in quotes if (made := lock(quote, state, self._policy)) is not None]
        await self._register.offer(rates.document, quotes, locks)
        return len(quotes)
