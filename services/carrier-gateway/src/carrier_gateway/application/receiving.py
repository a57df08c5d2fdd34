"""Receiving: prove the origin, keep the raw message, and only then say yes.

Whatever is not genuine gets one and the same answer, be it the carrier, the path, the header or the
signature that is wrong. A replay of a genuine message is a yes that changes nothing.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from carrier_gateway.application.carrier_port import Carrier, Forged, Genuine, WebhookRequest
from carrier_gateway.application.store_port import Inbound, Sample, Store
from carrier_gateway.application.tally import Tally
from sps.runtime.clock import Clock
from sps.runtime.errors import Trouble

KEPT_HEADERS: Final = frozenset({"content-type", "content-length", "user-agent", "x-request-id", "date"})
"""Kept for diagnosis. Tokens and signatures are not: whoever reads the table could use them."""
HEADER_CHARS_MAX: Final = 200
SAMPLE_BYTES_MAX: Final = 2_048
SAMPLE_PAUSE_MS: Final = 1_000
UNKNOWN_CARRIER: Final = "unknown"


class Receiver:
    """Takes webhooks of all carriers. `wake` tells the translating worker that there is something to do."""

    def __init__(
        self,
        carriers: Mapping[str, Carrier],
        store: Store,
        clock: Clock,
        tally: Tally,
        wake: Callable[[], None],
    ) -> None:
        self._carriers = carriers
        self._store = store
        self._clock = clock
        self._tally = tally
        self._wake = wake
        self._next_sample_ms = 0

    async def receive(self, carrier_name: str, request: WebhookRequest) -> bool:
        """True once the message is durable, False when its origin is not proved. Raises `Trouble`."""
        carrier = self._carriers.get(carrier_name)
        verdict = Forged("path") if carrier is None else carrier.prove(request)
        name = UNKNOWN_CARRIER if carrier is None else carrier.name
        if isinstance(verdict, Genuine):
            await self._keep(name, verdict, request)
            return True
        self._tally.received(name, verdict.reason)
        await self._sample(name, verdict, request)
        return False

    async def _keep(self, carrier: str, verdict: Genuine, request: WebhookRequest) -> None:
        message = Inbound(
            carrier=carrier,
            key=verdict.key,
            origin=verdict.origin,
            sha256=hashlib.sha256(request.body).hexdigest(),
            body=request.body,
            headers=_kept(request),
            received_ms=self._clock.now_ms(),
        )
        async with self._store.transaction() as unit:
            fresh = await unit.keep_inbound(message)
        self._tally.received(carrier, "accepted" if fresh else "duplicate")
        self._wake()

    async def _sample(self, carrier: str, verdict: Forged, request: WebhookRequest) -> None:
        """Now and then one: a flood of forgeries must not become a flood of writes, nor another answer."""
        now_ms = self._clock.now_ms()
        if now_ms < self._next_sample_ms:
            return
        self._next_sample_ms = now_ms + SAMPLE_PAUSE_MS
        sample = Sample(
            carrier=carrier,
            reason=verdict.reason,
            sha256=hashlib.sha256(request.body).hexdigest(),
            bytes_received=len(request.body),
            body=request.body[:SAMPLE_BYTES_MAX],
            headers=_kept(request),
            received_ms=now_ms,
        )
        with contextlib.suppress(Trouble):
            async with self._store.transaction() as unit:
                await unit.keep_sample(sample)


def _kept(request: WebhookRequest) -> tuple[tuple[str, str], ...]:
    return tuple((name, value[:HEADER_CHARS_MAX]) for name, value in request.headers if name in KEPT_HEADERS)
