"""Money on its way: payouts that are paid after a moment, fail, or come back after they were paid."""

from typing import Final

from msgspec.structs import replace

from sandbox.application.bookkeeping import post
from sandbox.application.mischief import take
from sandbox.application.ports import Unit
from sandbox.application.telling import Teller
from sandbox.application.world import World
from sandbox.core.alipay_words import TRANSFER_CHANGED, transfer_message
from sandbox.core.records import ALIPAY, Entry, Movement
from sandbox.core.stripe_words import Event, movement

STEP_MS: Final = 300
"""Between two states of a movement. Real providers take minutes or days."""
FAILURES: Final = {"alipay": "PAYEE_ACCOUNT_STATUS_ERROR", "stripe": "account_closed"}


class Settler:
    """Moves movements along their paths and tells about it."""

    def __init__(self, world: World, teller: Teller) -> None:
        self._world = world
        self._teller = teller

    async def path(self, unit: Unit, provider: str, usual: str) -> str:
        """The states that a new payout will go through after its first, by the misbehaviour asked for."""
        if await take(unit, provider, "fail_payouts"):
            return "failed"
        if await take(unit, provider, "return_payouts"):
            return ",".join(filter(None, (usual, "returned")))
        return usual

    async def round(self, unit: Unit, now_ms: int, limit: int) -> int:
        """Every movement that is due takes one step."""
        due = await unit.due(Movement, now_ms, limit)
        for record in due:
            await self._step(unit, record, now_ms)
        return len(due)

    async def _step(self, unit: Unit, record: Movement, now_ms: int) -> None:
        state, _, rest = record.path.partition(",")
        facts = record.facts | ({"failure": FAILURES[record.provider]} if state != "paid" else {})
        due_ms = now_ms + STEP_MS if rest else 0
        settled = replace(
            record, state=state, path=rest, due_ms=due_ms, settled_ms=record.settled_ms or now_ms, facts=facts
        )
        await unit.save(settled)
        if state in {"failed", "returned"}:
            back = Entry(record.provider, record.currency, "returned", record.minor, record.reference, now_ms)
            await post(unit, back)
        await self.tell(unit, settled)

    async def tell(self, unit: Unit, record: Movement) -> None:
        """The message about the state that a payout or transfer has now."""
        if record.provider == ALIPAY:
            alipay = self._world.alipay
            fields = transfer_message(
                record, alipay.app_id, self._world.token("msg"), self._world.now_ms(), alipay.key
            )
            await self._teller.alipay(unit, alipay.message_url, fields, TRANSFER_CHANGED, record.our_id)
            return
        await self._teller.stripe(unit, Event(_event_kind(record), movement(record)), record.our_id)


def _event_kind(record: Movement) -> str:
    if record.kind == "transfer":
        return "transfer.reversed" if record.state == "returned" else "transfer.created"
    return {"pending": "payout.created", "paid": "payout.paid"}.get(record.state, "payout.failed")
