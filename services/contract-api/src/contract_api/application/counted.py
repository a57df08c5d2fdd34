"""The desk of idempotent requests, counted by what became of each."""

from typing import Final

from contract_api.application.idempotent import (
    ACCEPTED,
    Answer,
    Asked,
    Desk,
    IdempotencyConflict,
    Prepare,
    Render,
)
from contract_api.application.ports import Chain, Store
from contract_api.metrics import IN_PROGRESS, MISMATCH, NEW, REPLAYED, Metrics
from sps.runtime.clock import Clock


class CountedDesk(Desk):
    """Answers like any desk. What is refused for its content is not counted: it may be sent again."""

    def __init__(self, store: Store, chain: Chain, clock: Clock, wait_s: float, metrics: Metrics) -> None:
        super().__init__(store, chain, clock, wait_s)
        self._results: Final = metrics.idempotency

    async def handle(
        self, asked: Asked, prepare: Prepare, render: Render, *, outside: bool = False
    ) -> Answer:
        """As `Desk.handle`."""
        try:
            answer = await super().handle(asked, prepare, render, outside=outside)
        except IdempotencyConflict:
            self._results.labels(MISMATCH).inc()
            raise
        self._results.labels(_result(answer)).inc()
        return answer


def _result(answer: Answer) -> str:
    if answer.replayed:
        return REPLAYED
    return IN_PROGRESS if answer.status == ACCEPTED else NEW
