"""Translating: what was kept becomes evidence, in the transaction that marks it as handled.

A signed message is evidence. An unsigned push is a hint: it triggers a pull, and what the pull says is
evidence. Only when the carrier cannot be asked does the hint itself go to the chain, as `pushed` (L1).
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from carrier_gateway.application.asking import Asker
from carrier_gateway.application.carrier_port import (
    Carrier,
    CarrierRefused,
    CarrierTrouble,
    Handshake,
    Message,
    Notice,
    Observed,
)
from carrier_gateway.application.carrier_tracing import CarrierTracing
from carrier_gateway.application.giving import give
from carrier_gateway.application.store_port import Inbound, Parcel, Store, Unit
from carrier_gateway.application.tally import Tally
from carrier_gateway.application.together import each
from carrier_gateway.core.patience import HINT_PULLS_MAX, poll_after_ms, retry_after_ms
from carrier_gateway.core.tracking import Observation
from carrier_gateway.core.watching import SPEAKING
from sps.runtime.clock import Clock
from sps.runtime.errors import Defect

MESSAGES_PER_ROUND: Final = 50
POISONED_MAX: Final = 10
"""Messages that our own reader may break on before the service stops; they stay in the table."""

NOTHING: Final = "nothing"
EVIDENCE: Final = "evidence"
HINT: Final = "hint"
CONFIRMED: Final = "confirmed"
UNKNOWN_NUMBER: Final = "unknown_number"
GIVEN_UP: Final = "given_up"
POISONED: Final = "poisoned"


class Told(Struct, frozen=True):
    """How one message of the carrier ended, and about which contract it was, if one."""

    outcome: str
    facts: int = 0
    contract: str = ""


class Translator:
    """Handles the kept messages of one carrier; a slow carrier delays nobody else's."""

    def __init__(
        self,
        carrier: Carrier,
        store: Store,
        clock: Clock,
        tally: Tally,
        asker: Asker,
        silence_ms: int,
        tracing: CarrierTracing | None = None,
    ) -> None:
        self._carrier = carrier
        self._store = store
        self._clock = clock
        self._tally = tally
        self._asker = asker
        self._silence_ms = silence_ms
        self._tracing = tracing
        self._poisoned = 0

    async def round(self) -> bool:
        """Handle what is due; tells whether there may be more. Raises `Trouble` of the database."""
        async with self._store.reading() as unit:
            due = await unit.due_inbound(self._carrier.name, self._clock.now_ms(), MESSAGES_PER_ROUND)
        for message in due:
            if message.origin == "signed":
                await self._signed(message)
        await each((message for message in due if message.origin == "pushed"), self._pushed)
        return len(due) == MESSAGES_PER_ROUND

    async def _signed(self, message: Inbound) -> None:
        """The facts and the mark are one transaction."""
        now_ms = self._clock.now_ms()
        async with self._store.transaction() as unit:
            if not await unit.hold_inbound(message.position):
                return
            told = [await self._spoken(unit, message, spoken, now_ms) for spoken in self._interpret(message)]
            outcome = _summary(told)
            await unit.finish_inbound(message.position, outcome, now_ms)
        self._tally.gave(self._carrier.name, "signed", sum(one.facts for one in told))
        self._trace(message, told)
        self._tally.translated(self._carrier.name, outcome, now_ms - message.received_ms)

    def _interpret(self, message: Inbound) -> Sequence[Message]:
        """A reader that breaks has a defect; one message must not stand in the way of all others."""
        try:
            return self._carrier.interpret(message.body)
        except Exception as error:
            self._poisoned += 1
            if self._poisoned > POISONED_MAX:
                raise Defect(f"{self._poisoned} messages of {self._carrier.name} broke the reader") from error
            return (Notice(POISONED),)

    async def _spoken(self, unit: Unit, message: Inbound, spoken: Message, now_ms: int) -> Told:
        if not isinstance(spoken, Observed):
            return Told(spoken.kind if isinstance(spoken, Notice) else NOTHING)
        self._tally.unknown_words(self._carrier.name, len(spoken.observation.unknown_words))
        parcel = await unit.parcel_for_change(self._carrier.name, spoken.observation.number)
        if parcel is None:
            return Told(UNKNOWN_NUMBER)
        facts = await give(unit, parcel, spoken.observation, "signed", message.sha256, now_ms)
        await unit.save_parcel(self._heard(parcel, now_ms))
        return Told(EVIDENCE if facts else NOTHING, len(facts), parcel.contract)

    async def _pushed(self, message: Inbound) -> None:
        try:
            told = [await self._hinted(message, spoken) for spoken in self._interpret(message)]
        except CarrierTrouble as trouble:
            await self._later(message, trouble)
        except CarrierRefused as refusal:
            await self._finish(message, refusal.code.lower())
        else:
            await self._finish(message, _summary(told))
            self._trace(message, told)

    async def _hinted(self, message: Inbound, spoken: Message) -> Told:
        if isinstance(spoken, Handshake):
            await self._carrier.confirm(spoken)
            return Told(CONFIRMED)
        if isinstance(spoken, Notice):
            return Told(spoken.kind)
        async with self._store.reading() as unit:
            parcel = await unit.parcel_of_number(self._carrier.name, spoken.observation.number)
        if parcel is None:
            return Told(UNKNOWN_NUMBER)
        if parcel.watch not in SPEAKING:
            return Told(NOTHING)
        return await self._confirmed(message, parcel, spoken.observation)

    async def _confirmed(self, message: Inbound, parcel: Parcel, hint: Observation) -> Told:
        try:
            facts = await self._asker.ask(parcel, hint, because=message.sha256)
        except CarrierTrouble:
            if message.attempts + 1 < HINT_PULLS_MAX:
                raise
            return await self._unconfirmed(message, hint)
        except CarrierRefused:
            return await self._unconfirmed(message, hint)
        return Told(EVIDENCE if facts else NOTHING, len(facts), parcel.contract)

    async def _unconfirmed(self, message: Inbound, hint: Observation) -> Told:
        """The carrier cannot be asked: the hint goes to the chain as the little that it is."""
        now_ms = self._clock.now_ms()
        async with self._store.transaction() as unit:
            parcel = await unit.parcel_for_change(self._carrier.name, hint.number)
            facts = await give(unit, parcel, hint, "pushed", message.sha256, now_ms) if parcel else ()
        self._tally.gave(self._carrier.name, "pushed", len(facts))
        return Told(HINT, len(facts), parcel.contract if parcel else "")

    def _heard(self, parcel: Parcel, now_ms: int) -> Parcel:
        """The carrier speaks by itself, so the next question can wait."""
        if parcel.watch != "booked":
            return parcel
        due_ms = now_ms + poll_after_ms(0, self._silence_ms)
        return replace(parcel, silent_polls=0, poll_troubles=0, poll_due_ms=due_ms)

    def _trace(self, message: Inbound, told: list[Told]) -> None:
        if self._tracing is not None:
            for contract in dict.fromkeys(one.contract for one in told if one.contract):
                facts = sum(one.facts for one in told if one.contract == contract)
                self._tracing.told(contract, message, facts)

    async def _finish(self, message: Inbound, outcome: str) -> None:
        now_ms = self._clock.now_ms()
        async with self._store.transaction() as unit:
            await unit.finish_inbound(message.position, outcome, now_ms)
        self._tally.translated(self._carrier.name, outcome, now_ms - message.received_ms)

    async def _later(self, message: Inbound, trouble: CarrierTrouble) -> None:
        attempts = message.attempts + 1
        pause_ms = retry_after_ms(attempts, trouble.retry_after_ms)
        if pause_ms is None:
            await self._finish(message, GIVEN_UP)
            return
        async with self._store.transaction() as unit:
            await unit.postpone_inbound(message.position, attempts, self._clock.now_ms() + pause_ms)


def _summary(told: list[Told]) -> str:
    """One word for the whole message: evidence if any, otherwise what was said last."""
    return next((one.outcome for one in told if one.facts), told[-1].outcome if told else NOTHING)
