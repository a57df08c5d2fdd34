"""Asking: pull a parcel from its carrier and give what is new; the one way for polls and for hints."""

import hashlib
from typing import Final

from msgspec.structs import replace

from carrier_gateway.application.carrier_port import Carrier, CarrierRefused, CarrierTrouble, Pulled
from carrier_gateway.application.carrier_tracing import CarrierTracing
from carrier_gateway.application.giving import give
from carrier_gateway.application.store_port import Inbound, Parcel, Store, Unit
from carrier_gateway.application.tally import Tally
from carrier_gateway.core.patience import poll_after_ms
from carrier_gateway.core.tracking import Evidence, Observation, news
from sps.runtime.clock import Clock

PULL: Final = "pull"


class Asker:
    """Pulls from one carrier. The call happens outside of every database transaction."""

    def __init__(
        self,
        carrier: Carrier,
        store: Store,
        clock: Clock,
        tally: Tally,
        silence_ms: int,
        tracing: CarrierTracing | None = None,
    ) -> None:
        self._carrier = carrier
        self._store = store
        self._clock = clock
        self._tally = tally
        self._silence_ms = silence_ms
        self._tracing = tracing

    async def ask(
        self, parcel: Parcel, hint: Observation | None = None, *, because: str = ""
    ) -> tuple[Evidence, ...]:
        """Pull, and give what is new. Raises `CarrierTrouble` or `CarrierRefused`, changing nothing.

        `hint` is what an unsigned push claims; what the answer does not confirm is asked for again soon.
        `because`: the hex SHA-256 of that push, for the trace.
        """
        began_ms = self._clock.now_ms()
        pulled = await self._pull(parcel)
        now_ms = self._clock.now_ms()
        async with self._store.transaction() as unit:
            current = await unit.parcel_for_change(parcel.carrier, parcel.number)
            if current is None:
                return ()
            facts = await self._give(unit, current, pulled, now_ms)
            soon = not pulled.complete or await _is_open(unit, current, hint, now_ms)
            await unit.save_parcel(self._rescheduled(current, now_ms, told=bool(facts), soon=soon))
        self._tally.gave(self._carrier.name, "pulled", len(facts))
        if self._tracing is not None and facts:
            raw = hashlib.sha256(pulled.raw).hexdigest()
            self._tracing.asked(current.contract, raw, len(facts), began_ms, because)
        return facts

    async def _pull(self, parcel: Parcel) -> Pulled:
        try:
            pulled = await self._carrier.pull(parcel.number, parcel.reference)
        except CarrierTrouble:
            self._tally.asked(self._carrier.name, PULL, "trouble")
            raise
        except CarrierRefused:
            self._tally.asked(self._carrier.name, PULL, "refused")
            raise
        self._tally.asked(self._carrier.name, PULL, "ok")
        return pulled

    async def _give(self, unit: Unit, parcel: Parcel, pulled: Pulled, now_ms: int) -> tuple[Evidence, ...]:
        if pulled.observation is None:
            return ()
        self._tally.unknown_words(self._carrier.name, len(pulled.observation.unknown_words))
        raw = hashlib.sha256(pulled.raw).hexdigest()
        facts = await give(unit, parcel, pulled.observation, "pulled", raw, now_ms)
        if facts:
            # What was said has to be shown one day: the answer is kept like a webhook.
            answer = Inbound(self._carrier.name, f"pull:{raw}", "pulled", raw, pulled.raw, (), now_ms)
            await unit.keep_answer(answer)
        return facts

    def _rescheduled(self, parcel: Parcel, now_ms: int, *, told: bool, soon: bool) -> Parcel:
        silent = 0 if told else parcel.silent_polls + 1
        due_ms = now_ms + poll_after_ms(silent, self._silence_ms, soon=soon)
        return replace(
            parcel,
            silent_polls=silent,
            poll_troubles=0,
            poll_due_ms=due_ms if parcel.watch == "booked" else None,
        )


async def _is_open(unit: Unit, parcel: Parcel, hint: Observation | None, now_ms: int) -> bool:
    """Tell whether the push claimed something that the carrier's own answer does not confirm."""
    return hint is not None and bool(news(hint, "pushed", None, await unit.given(parcel.tag), now_ms))
