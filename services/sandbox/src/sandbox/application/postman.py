"""The postman: sends what is due, again and again until it is taken, and lets slow money arrive."""

import asyncio
import contextlib
from itertools import groupby
from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from sandbox.application.ports import Sender, Store
from sandbox.application.settling import Settler
from sandbox.application.world import World
from sandbox.core.easypost_signature import easypost_signature
from sandbox.core.patience import next_due_ms
from sandbox.core.records import Delivery, Movement
from sandbox.core.stripe_words import signature

ROUND_MAX: Final = 64
AT_ONCE: Final = 8
LOOK_S: Final = 1.0
"""The longest that the postman sleeps: a clock may be moved by hand."""


class Postman:
    """One round after the other."""

    def __init__(self, world: World, store: Store, sender: Sender, settler: Settler) -> None:
        self._world = world
        self._store = store
        self._sender = sender
        self._settler = settler
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """For ever."""
        while True:
            self._world.wake.clear()
            if not await self.round():
                await self._sleep()

    async def round(self) -> int:
        """Everything that is due now, at most `ROUND_MAX` of each kind; returns how much it was."""
        async with self._store.reading() as unit:
            due = await unit.due(Delivery, self._world.now_ms(), ROUND_MAX, state="pending")
            moving = await unit.due(Movement, self._world.now_ms(), 1)
        moved = await self._settle() if moving else 0
        by_address = attrgetter("provider", "subject")
        mails = [list(mail) for _, mail in groupby(sorted(due, key=by_address), by_address)]
        ends = await asyncio.gather(*map(self._carry, mails), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end  # as it is, not in a group: its kind decides what becomes of the loop
        return moved + len(due)

    async def _settle(self) -> int:
        async with self._store.transaction() as unit:
            return await self._settler.round(unit, self._world.now_ms(), ROUND_MAX)

    async def _carry(self, mail: list[Delivery]) -> None:
        """Messages about one thing go one after the other; a failed one does not hold up the next."""
        async with self._slots:
            for delivery in mail:
                await self._send(delivery)

    async def _send(self, delivery: Delivery) -> None:
        body = delivery.body.encode()
        status, text = await self._sender.post(
            delivery.url, body, delivery.headers | self._signed(delivery, body)
        )
        taken = status in range(200, 300) and (not delivery.wants or text == delivery.wants)
        attempts = delivery.attempts + 1
        due_ms = None if taken else next_due_ms(self._world.now_ms(), attempts)
        state = "delivered" if taken else "pending" if due_ms else "given_up"
        last = f"{status} {text}".replace("\0", "")[:100]
        async with self._store.transaction() as unit:
            await unit.save(replace(delivery, attempts=attempts, state=state, due_ms=due_ms or 0, last=last))

    def _signed(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        match delivery.signing:
            case "stripe":
                stamp = self._world.now_ms() // 1000
                return {"Stripe-Signature": signature(self._world.stripe.webhook_secret, stamp, body)}
            case "easypost":
                secret = self._world.carrier.easypost_webhook_secret
                return {"X-Hmac-Signature": easypost_signature(secret, body)}
            case _:
                return {}

    async def _sleep(self) -> None:
        async with self._store.reading() as unit:
            times = [
                await unit.next_due_ms(Delivery, state="pending"),
                await unit.next_due_ms(Movement),
            ]
        next_ms = min((time for time in times if time), default=None)
        pause_s = LOOK_S if next_ms is None else min(LOOK_S, max(0, next_ms - self._world.now_ms()) / 1000)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._world.wake.wait()
