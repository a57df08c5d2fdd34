"""A story told by honest, patient clients: they repeat a request, with the same key, until it is answered.

No answer, an answer that says "later" and an answer that says "our fault" are repeated. Any other answer is a
fact: a refusal that an honest client does not deserve ends the story and is a finding of the audit.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from sps_cli.story import NotAsTold, Places, Story, Tale

PATIENCE_S: Final = 90.0
"""So long may a fault and its repair take together; who waits longer for one step is stuck."""
REQUEST_S: Final = 12.0
"""contract-api answers after 8 s at the latest, if only with "not yet"."""
PAUSE_S: Final = 0.25
PAUSE_LONGEST_S: Final = 2.0
LOOK_S: Final = 0.2
QUOTES_MAX: Final = 5
"""A quote that ran out during a fault is asked for again, this often."""
RUN_OUT: Final = ("QUOTE_EXPIRED", "QUOTE_STATE")


@dataclass
class StormTale(Tale):
    """A tale that also knows how it is to end and how it went."""

    ends: str = "paid_out"
    """`paid_out`: released and cashed out; `refunded`: cancelled by the seller, given back to the buyer."""
    step: str = ""
    """The step that is being told."""
    began: float = 0.0
    ended: float = 0.0
    """On the monotonic clock, in seconds."""
    refund: str = ""
    took: dict[str, float] = field(default_factory=dict)
    """Each step's seconds."""


class PatientStory(Story):
    """Tells one tale; `repeated` counts what had to be asked again, by what came instead of an answer."""

    tale: StormTale

    def __init__(
        self, places: Places, tale: StormTale, client: httpx.AsyncClient, repeated: Counter[str]
    ) -> None:
        super().__init__(places, tale, client)
        self._repeated = repeated

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        if self.tale.ends == "paid_out":
            return super().steps()
        funded = [(name, step) for name, step in super().steps() if name in FUNDING]
        return [*funded, ("cancel", self.cancel), ("prove", self.prove)]

    async def tell(self) -> None:
        """All steps in order; raises `NotAsTold` when one is stuck or refused."""
        for name, step in self.steps():
            self.tale.step, began = name, time.monotonic()
            await step()
            self.tale.took[name] = time.monotonic() - began

    async def cancel(self) -> None:
        """Alice cancels before she ships; the provider gives the money back."""
        await self._seller("POST", f"/v1/contracts/{self.tale.contract}/cancellation", {}, step="cancel")
        closed = await self.until(_is_refunded, "the money is given back")
        self.tale.refund = closed["refunds"][0]["refund"]

    async def convert(self) -> None:
        """A quote that ran out while something was broken is asked for again, under a new key."""
        tale = self.tale
        if tale.target == tale.currency:
            return
        tale.to_convert = tale.to_convert or await self.payable(tale.currency)
        for n in range(QUOTES_MAX):
            if await self._converted(n):
                return
        self.expect(False, f"one of {QUOTES_MAX} quotes lives long enough")

    async def _converted(self, n: int) -> bool:
        tale = self.tale
        amount = {"minor": tale.to_convert, "currency": tale.currency}
        wish = {"amount": amount, "to": tale.target}
        tale.quote = (await self._seller("POST", "/v1/quotes", wish, step=f"quote-{n}"))["quote"]
        quote = await self._quote_that_left("requested")
        if quote["state"] == "expired":
            return False
        try:
            await self._seller("POST", f"/v1/quotes/{tale.quote}/acceptance", {}, step=f"convert-{n}")
        except NotAsTold as refused:
            if any(code in str(refused) for code in RUN_OUT):
                return False
            raise
        quote = await self._quote_that_left("locked")
        tale.out = quote["out"]
        return bool(quote["state"] == "used")

    async def _quote_that_left(self, state: str) -> dict[str, Any]:
        last: dict[str, Any] = {}

        async def left() -> bool:
            last.update(await self._seller("GET", f"/v1/quotes/{self.tale.quote}"))
            return bool(last["state"] != state)

        await self._wait_for(left, f"the quote is no longer {state}")
        return last

    async def _wait_for(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not await _asked(holds):
            if time.monotonic() > end:
                raise NotAsTold(f"{self.tale.name}: waited {PATIENCE_S:.0f} s in vain until {what}")
            await asyncio.sleep(LOOK_S)

    async def _api(
        self, method: str, path: str, body: object, key: str | None, secret: str | None = None
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        if key is not None:
            headers["Idempotency-Key"] = f"{self.tale.name}-{key}"

        async def ask() -> httpx.Response:
            return await self._client.request(
                method, self.places.api + path, json=body, headers=headers, timeout=REQUEST_S
            )

        return dict((await self._answered(ask, f"{method} {path}")).json())

    async def _sandbox(self, path: str, body: object) -> dict[str, Any]:
        async def ask() -> httpx.Response:
            return await self._client.post(self.places.sandbox + path, json=body, timeout=REQUEST_S)

        return dict((await self._answered(ask, path)).json())

    async def _answered(self, ask: Callable[[], Awaitable[httpx.Response]], what: str) -> httpx.Response:
        end, pause_s = time.monotonic() + PATIENCE_S, PAUSE_S
        while True:
            try:
                answer = await ask()
            except httpx.TransportError as error:
                instead, said = type(error).__name__, str(error)
            else:
                if not _is_later(answer):
                    told = f"{what} succeeds, not {answer.status_code} {answer.text[:300]}"
                    self.expect(answer.is_success, told)
                    return answer
                instead, said = str(answer.status_code), answer.text[:300]
            self._repeated[instead] += 1
            if time.monotonic() > end:
                raise NotAsTold(
                    f"{self.tale.name}: {what} got {instead} for {PATIENCE_S:.0f} s, at last {said}"
                )
            await asyncio.sleep(pause_s * (1 - _chance.random() / 2))
            pause_s = min(PAUSE_LONGEST_S, pause_s * 2)


FUNDING: Final = frozenset({"register", "offer", "accept", "go_to_pay", "pay"})
_chance: Final = random.Random()  # noqa: S311 nobody guesses a pause


async def _asked(holds: Callable[[], Awaitable[bool]]) -> bool:
    """No answer is no answer yet."""
    try:
        return await holds()
    except httpx.TransportError:
        return False


def _is_later(answer: httpx.Response) -> bool:
    """Accepted and not final yet, too many, or our fault."""
    status = answer.status_code
    return status in {httpx.codes.ACCEPTED, httpx.codes.TOO_MANY_REQUESTS} or answer.is_server_error


def _is_refunded(contract: dict[str, Any]) -> bool:
    refunds = contract["refunds"]
    return (
        contract["state"] == "CLOSED" and bool(refunds) and all(each["state"] == "paid" for each in refunds)
    )
