"""Messages to the platform are rows before they are sent, so that no crash loses one."""

import secrets
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from sandbox.application.mischief import mischief_of
from sandbox.application.ports import Unit
from sandbox.application.world import World
from sandbox.core.alipay_words import Fields
from sandbox.core.records import ALIPAY, STRIPE, Delivery
from sandbox.core.stripe_words import Event, envelope

SHUFFLE_MS: Final = 1_500
"""Shuffled messages leave at a random moment within this time."""
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
JSON: Final = {"Content-Type": "application/json"}


class Teller:
    """Writes deliveries, with whatever misbehaviour is asked for."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def tell(self, unit: Unit, delivery: Delivery) -> None:
        """Queue a message; nothing happens when the platform has no address for it."""
        if not delivery.url:
            return
        mischief = await mischief_of(unit, delivery.provider)
        for _ in range(1 + mischief.repeat):
            shuffle_ms = secrets.randbelow(SHUFFLE_MS) if mischief.shuffle else 0
            due_ms = delivery.due_ms + mischief.delay_ms + shuffle_ms
            state = "silenced" if mischief.silent else "pending"
            await unit.add(replace(delivery, due_ms=due_ms, state=state))
        unit.after_commit(self._world.wake.set)

    async def alipay(self, unit: Unit, url: str, fields: Fields, kind: str, subject: str) -> None:
        """A signed form that is sent until the answer is exactly `success`."""
        now_ms = self._world.now_ms()
        await self.tell(
            unit,
            Delivery(
                ALIPAY, kind, url, urlencode(fields), now_ms, now_ms, FORM, wants="success", subject=subject
            ),
        )

    async def stripe(self, unit: Unit, event: Event, subject: str) -> None:
        """An event, signed when it is sent."""
        now_ms = self._world.now_ms()
        body = msgspec.json.encode(envelope(event, self._world.token("evt"), now_ms // 1000)).decode()
        url = self._world.stripe.webhook_url
        await self.tell(
            unit, Delivery(STRIPE, event.kind, url, body, now_ms, now_ms, JSON, "stripe", subject=subject)
        )

    async def carrier(
        self,
        unit: Unit,
        provider: str,
        url: str,
        told: dict[str, Any],
        headers: dict[str, str],
        kind: str,
        number: str,
    ) -> None:
        """A JSON message of a carrier about one parcel; EasyPost's is signed when it is sent."""
        now_ms = self._world.now_ms()
        body = msgspec.json.encode(told).decode()
        signing = "easypost" if provider == "easypost" else ""
        await self.tell(
            unit, Delivery(provider, kind, url, body, now_ms, now_ms, JSON | headers, signing, subject=number)
        )
