"""Our own fold of the chain, as the use cases see it."""

import asyncio
from typing import Final

from sps.escrow.state import Contract, Payout, Refund
from sps.runtime.errors import Trouble
from sps.runtime.follower import Follower

REACH_S: Final = 10.0
"""A block that settlement has seen reaches us within this time, or we try again."""


class FollowerView:
    """`ChainView`."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def contract(self, contract: str) -> Contract | None:
        return self._follower.state.contracts.get(contract)

    def payout(self, payout: str) -> Payout | None:
        return self._follower.state.payouts.get(payout)

    def refund(self, payment: str, refund: str) -> tuple[str, Refund] | None:
        contract = self.contract(self._follower.state.payments.get(payment, ""))
        if contract is None:
            return None
        return next(((contract.id, known) for known in contract.refunds if known.id == refund), None)

    async def reached(self, height: int, within_s: float | None = None) -> None:
        try:
            async with asyncio.timeout(REACH_S if within_s is None else within_s):
                await self._follower.reached(height)
        except TimeoutError as error:
            raise Trouble(f"our fold is at height {self._follower.height}, wanted is {height}") from error
