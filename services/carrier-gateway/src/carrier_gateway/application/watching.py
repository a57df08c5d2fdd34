"""Watching: ask the carrier for messages about a parcel, and ask about the parcel when it falls silent.

Both are intents in the parcel's row, carried out by these rounds. A carrier in trouble is left alone for a
while (`core.circuit`): what is due stays due.
"""

from typing import Final

from msgspec.structs import replace

from carrier_gateway.application.asking import Asker
from carrier_gateway.application.carrier_port import Carrier, CarrierRefused, CarrierTrouble
from carrier_gateway.application.store_port import Parcel, Store
from carrier_gateway.application.tally import Tally
from carrier_gateway.application.together import TOGETHER_MAX, each
from carrier_gateway.core.circuit import Circuit
from carrier_gateway.core.patience import ATTEMPTS_MAX, poll_after_ms, retry_after_ms
from sps.runtime.clock import Clock

SUBSCRIBE: Final = "subscribe"


class Watcher:
    """Carries out the intents for one carrier."""

    def __init__(
        self, carrier: Carrier, store: Store, clock: Clock, tally: Tally, asker: Asker, silence_ms: int
    ) -> None:
        self._carrier = carrier
        self._store = store
        self._clock = clock
        self._tally = tally
        self._asker = asker
        self._silence_ms = silence_ms
        self._circuit = Circuit()

    async def round(self) -> bool:
        """Carry out what is due; tells whether there may be more."""
        name, now_ms = self._carrier.name, self._clock.now_ms()
        async with self._store.reading() as unit:
            subscriptions = await unit.due_subscriptions(name, now_ms, self._allowed())
        await each(subscriptions, self._subscribe)
        async with self._store.reading() as unit:
            polls = await unit.due_polls(name, now_ms, self._allowed())
        await each(polls, self._poll)
        return TOGETHER_MAX in {len(subscriptions), len(polls)}

    def _allowed(self) -> int:
        return self._circuit.calls_allowed(self._clock.now_ms(), TOGETHER_MAX)

    def _called(self, *, well: bool) -> None:
        self._circuit = self._circuit.after(self._clock.now_ms(), well=well)

    async def _subscribe(self, parcel: Parcel) -> None:
        try:
            reference = await self._carrier.subscribe(parcel.number)
        except CarrierTrouble as trouble:
            self._tally.asked(self._carrier.name, SUBSCRIBE, "trouble")
            self._called(well=False)
            await self._subscribe_later(parcel, trouble)
        except CarrierRefused:
            self._tally.asked(self._carrier.name, SUBSCRIBE, "refused")
            self._called(well=True)
            await self._change(parcel, subscription="refused", subscribe_due_ms=None)
        else:
            self._tally.asked(self._carrier.name, SUBSCRIBE, "ok")
            self._called(well=True)
            await self._subscribed(parcel, reference)

    async def _subscribed(self, parcel: Parcel, reference: str) -> None:
        """A poll that had to wait for the reference can go now."""
        async with self._store.transaction() as unit:
            current = await unit.parcel_for_change(parcel.carrier, parcel.number)
            if current is None:
                return
            made = replace(current, subscription="made", reference=reference, subscribe_due_ms=None)
            if made.poll_due_ms is not None:
                made = replace(made, poll_due_ms=self._clock.now_ms(), poll_troubles=0)
            await unit.save_parcel(made)

    async def _subscribe_later(self, parcel: Parcel, trouble: CarrierTrouble) -> None:
        attempts = parcel.subscribe_attempts + 1
        pause_ms = retry_after_ms(attempts, trouble.retry_after_ms)
        if pause_ms is None:
            await self._change(parcel, subscription="given_up", subscribe_due_ms=None)
            return
        due_ms = self._clock.now_ms() + pause_ms
        await self._change(parcel, subscribe_attempts=attempts, subscribe_due_ms=due_ms)

    async def _poll(self, parcel: Parcel) -> None:
        try:
            await self._asker.ask(parcel)
        except CarrierTrouble as trouble:
            self._called(well=False)
            troubles = min(parcel.poll_troubles + 1, ATTEMPTS_MAX - 1)
            pause_ms = retry_after_ms(troubles, trouble.retry_after_ms) or 0
            await self._change(parcel, poll_troubles=troubles, poll_due_ms=self._clock.now_ms() + pause_ms)
        except CarrierRefused:
            self._called(well=True)
            silent = parcel.silent_polls + 1
            due_ms = self._clock.now_ms() + poll_after_ms(silent, self._silence_ms)
            await self._change(parcel, silent_polls=silent, poll_due_ms=due_ms)
        else:
            self._called(well=True)

    async def _change(self, parcel: Parcel, **changes: object) -> None:
        """Change a parcel as it is now, not as it was when the call began."""
        async with self._store.transaction() as unit:
            current = await unit.parcel_for_change(parcel.carrier, parcel.number)
            if current is not None and current.watch in {"booking", "booked"}:
                await unit.save_parcel(replace(current, **changes))
