"""The load: tellers who tell one story after the other, and can be asked to finish theirs and wait.

What they tell follows from the seed; when, from the machine.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from typing import Any, Final

import httpx

from sps_cli.storm.patient import REQUEST_S, PatientStory, StormTale
from sps_cli.story import NotAsTold, Places

ROADS: Final[tuple[dict[str, str], ...]] = (
    {"carrier": "dhl", "pay_with": "alipay", "target": "EUR", "cash_out_with": "stripe"},
    {"carrier": "easypost", "pay_with": "alipay", "target": "CNY", "cash_out_with": "alipay"},
    {"carrier": "dhl", "pay_with": "stripe", "currency": "EUR", "target": "USD", "cash_out_with": "stripe"},
    {
        "carrier": "easypost",
        "pay_with": "stripe",
        "currency": "EUR",
        "target": "EUR",
        "cash_out_with": "stripe",
    },
)
REFUND_SHARE: Final = 0.2
PRICES: Final = range(10_000, 200_000)
POLL_S: Final = 0.05
CONNECTIONS: Final = 64
BROKEN_MAX: Final = 50
"""More stories that do not end than this, and the tellers stop: what follows teaches nothing new."""


class Load:
    """So many tellers on a running installation. Start it, hush it before an audit, let it go on, stop it."""

    def __init__(self, places: Places, *, tellers: int, seed: int, name: str) -> None:
        self.places: Final = places
        self.client: Final = httpx.AsyncClient(
            trust_env=False, timeout=REQUEST_S, limits=httpx.Limits(max_connections=CONNECTIONS)
        )
        self.tales: Final[list[StormTale]] = []
        """All that ever began, in this order."""
        self.broken: Final[list[str]] = []
        """Why stories did not go on."""
        self.repeated: Final[Counter[str]] = Counter()
        """Requests that clients had to repeat, by what they got instead of an answer."""
        self._name: Final = name
        self._tellers: Final = tellers
        self._chance: Final = random.Random(seed)  # noqa: S311 a storm that can be repeated
        self._open: Final = asyncio.Event()
        self._tasks: Final[list[asyncio.Task[None]]] = []
        self._under_way: Final[dict[str, StormTale]] = {}

    def start(self) -> None:
        """Begin to tell."""
        self._open.set()
        self._tasks.extend(
            asyncio.create_task(self._tell_on(), name=f"teller-{n}") for n in range(self._tellers)
        )

    def under_way(self) -> list[StormTale]:
        """The stories that are being told now."""
        return list(self._under_way.values())

    def ended(self) -> list[StormTale]:
        """The stories that came to their end."""
        return [tale for tale in self.tales if tale.ended]

    async def hush(self, limit_s: float) -> list[StormTale]:
        """Let everybody finish the story under way and begin no other; returns those that did not in time."""
        self.calm()
        await self.ended_all(self.under_way(), limit_s)
        return self.under_way()

    def calm(self) -> None:
        """Begin no new story."""
        self._open.clear()

    def go_on(self) -> None:
        """Begin new stories again."""
        self._open.set()

    async def ended_all(self, tales: list[StormTale], limit_s: float) -> bool:
        """Wait until these are no longer under way, for so long at most; tell whether they are."""
        end = time.monotonic() + limit_s
        while any(tale.name in self._under_way for tale in tales):
            if time.monotonic() > end:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def next_end(self, since: float, limit_s: float) -> float | None:
        """When (monotonic) the first story ended after `since`; waits for it; None: none did in time."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            ended = [tale.ended for tale in self.tales if tale.ended > since]
            if ended:
                return min(ended)
            await asyncio.sleep(POLL_S)
        return None

    async def stop(self) -> None:
        """Leave the stories where they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.client.aclose()

    async def sandbox(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Ask the outside world."""
        answer = await self.client.request(method, f"{self.places.sandbox}{path}", json=body)
        return dict(answer.raise_for_status().json())

    async def _tell_on(self) -> None:
        while len(self.broken) < BROKEN_MAX:
            await self._open.wait()
            await self._tell(self._next())

    async def _tell(self, tale: StormTale) -> None:
        self._under_way[tale.name] = tale
        tale.began = time.monotonic()
        try:
            await PatientStory(self.places, tale, self.client, self.repeated).tell()
            tale.ended = time.monotonic()
        except NotAsTold as broken:
            self.broken.append(f"{tale.step}: {broken}")
        except Exception as surprise:  # noqa: BLE001 a teller who falls silent would hide everything that follows
            self.broken.append(f"{tale.name}, {tale.step}: {surprise!r}")
        finally:
            with contextlib.suppress(KeyError):
                del self._under_way[tale.name]

    def _next(self) -> StormTale:
        road = self._chance.choice(ROADS)
        tale = StormTale(
            f"{self._name}-{len(self.tales)}",
            price_minor=str(self._chance.choice(PRICES)),
            ends="refunded" if self._chance.random() < REFUND_SHARE else "paid_out",
            carrier=road["carrier"],
            currency=road.get("currency", "CNY"),
            pay_with=road["pay_with"],
            target=road["target"],
            cash_out_with=road["cash_out_with"],
        )
        self.tales.append(tale)
        return tale
