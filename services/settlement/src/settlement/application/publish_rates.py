"""Keeps the chain's reference rates current, and never makes more of it than the source gives.

The source's trouble stays here: the last good rates grow old, new locks end, and nothing else stops.
"""

import hashlib
from typing import Final

from settlement.application.ports import ChainView, RateRegister, RateSource
from settlement.core.rates import Advice, BadRates, advice, publication
from settlement.metrics import RateMetrics
from sps.runtime.clock import Clock
from sps.runtime.errors import Trouble
from sps.runtime.logs import get_logger

MS_PER_S: Final = 1000
_REMARKABLE: Final = frozenset({"early", "old", "refused", "wavering"})


class PublishRates:
    """One look at the source at a time; a document that the chain knows changes nothing."""

    def __init__(
        self,
        source: RateSource,
        register: RateRegister,
        chain: ChainView,
        clock: Clock,
        metrics: RateMetrics,
    ) -> None:
        self._source: Final = source
        self._register: Final = register
        self._chain: Final = chain
        self._clock: Final = clock
        self._metrics: Final = metrics
        self._log: Final = get_logger("settlement")
        metrics.measure_age(self.age_s)

    async def round(self) -> bool:
        """Look once; False when the source gave nothing that can be read, so that sooner is better."""
        try:
            raw = await self._source.fetch()
        except Trouble as trouble:
            self._metrics.documents.labels("unreachable").inc()
            self._log.warning("rates.unreachable", error=str(trouble))
            return False
        try:
            await self.take(raw)
        except BadRates as error:
            self._metrics.documents.labels("bad").inc()
            self._log.error("rates.unreadable", error=str(error), document=hashlib.sha256(raw).hexdigest())
            return False
        return True

    async def take(self, raw: bytes) -> Advice:
        """Put a document on the chain if it may and should be; raises `BadRates`."""
        document = self._source.read(raw)
        before, same_time = await self._register.before(document)
        state, now_ms = self._chain.state, self._clock.now_ms()
        found = advice(document, before, same_time, state.rates, state.fx, now_ms)
        if found == "submit":
            tries = before.tries if before else 0
            await self._register.submit(document, raw, publication(document, tries + 1))
        elif found in _REMARKABLE:
            self._log.warning("rates.left", advice=found, document=document.digest.hex())
        self._metrics.documents.labels(found).inc()
        return found

    def age_s(self) -> float:
        """How old the chain's newest rates are, in seconds of the wall clock."""
        rates = self._chain.state.rates
        return float("inf") if rates is None else (self._clock.now_ms() - rates.as_of_ms) / MS_PER_S
