"""One key, one effect, one answer: the frame around everything that changes something.

The request's row is written in the same database transaction as its effect. A repeat waits for the first and
gets its bytes. A crash in between leaves a row without an answer; the next repeat looks the outcome up.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from contract_api.application.ports import Chain, Principal, Store, StoredRequest, Work
from contract_api.core.idempotency import REPLAY_MS, fingerprint, valid_key, verdict
from sps.chain.receipt import OK, Receipt
from sps.escrow.refusals import DUPLICATE
from sps.runtime.clock import Clock
from sps.runtime.errors import Refusal
from sps.transactions.codec import encode, transaction_hash
from sps.transactions.vocabulary import Transaction

CREATED: Final = 201
FINE: Final = 200
ACCEPTED: Final = 202
DONE: Final = frozenset({OK, DUPLICATE})
"""Codes of success. Who says again, under another key, what holds already gets the resource as it is."""

_json: Final = msgspec.json.Encoder()


class Asked(Struct, frozen=True):
    """A request that changes something: who, under which key, what exactly."""

    principal: Principal
    key: str
    method: str
    route: str
    body: Any

    @property
    def print_(self) -> str:
        return fingerprint(self.method, self.route, self.body)


class Answer(Struct, frozen=True):
    """What is sent back; `replayed` when it is the stored one."""

    status: int
    body: bytes
    replayed: bool = False


class Intent(Struct, frozen=True):
    """What a new request wants to do: name its resource, submit a transaction, keep private rows with it."""

    resource: str
    transaction: Transaction | None = None
    keep: Callable[[Work], Awaitable[None]] | None = None


Render = Callable[[str], Awaitable[tuple[int, Any]]]
"""From the resource's name to status and JSON body, once the effect is visible."""


class IdempotencyConflict(Refusal):
    """The key was used for another request."""


class Desk:
    """Takes requests in; knows nothing of what they mean."""

    def __init__(self, store: Store, chain: Chain, clock: Clock, wait_s: float) -> None:
        self._store = store
        self._chain = chain
        self._clock = clock
        self._wait_s = wait_s

    async def handle(self, asked: Asked, prepare: Callable[[], Awaitable[Intent]], render: Render) -> Answer:
        """Do it once, or answer as the first time; raises `Refusal` with the chain's code."""
        if not valid_key(asked.key):
            raise Refusal(
                "IDEMPOTENCY_KEY_BAD", "send an Idempotency-Key of 1 to 255 visible ASCII characters"
            )
        known = await self._known(asked)
        if known is None:
            known = await self._claim(asked, await prepare())
        if known.status is not None and known.body is not None and self._fresh(known):
            return Answer(known.status, known.body, replayed=True)
        return await self._finish(asked, known, render)

    async def _known(self, asked: Asked) -> StoredRequest | None:
        async with self._store.reading() as work:
            known = await work.request(asked.principal.account, asked.key)
        found = verdict(known.fingerprint if known else None, asked.print_, bool(known and known.status))
        if found == "other_request":
            raise IdempotencyConflict("IDEMPOTENCY_KEY_REUSED", "use a new key for a new request")
        return known

    async def _claim(self, asked: Asked, intent: Intent) -> StoredRequest:
        name = transaction_hash(encode(intent.transaction)) if intent.transaction is not None else None
        now_ms = self._clock.now_ms()
        async with self._store.writing() as work:
            if await work.claim_request(
                asked.principal.account, asked.key, asked.print_, intent.resource, name, now_ms
            ):
                if intent.keep is not None:
                    await intent.keep(work)
                if intent.transaction is not None:
                    await work.submit(intent.transaction)
                return StoredRequest(asked.print_, intent.resource, name, None, None, now_ms)
        known = await self._known(asked)
        if known is None:
            raise Refusal("REQUEST_LOST", "send the request again")
        return known

    async def _finish(self, asked: Asked, known: StoredRequest, render: Render) -> Answer:
        if known.transaction is not None:
            receipt = await self._receipt(known.transaction)
            if receipt is None:
                # Not kept: the same request asks again until the outcome is final.
                return Answer(ACCEPTED, _json.encode({"resource": known.resource, "status": "pending"}))
            if receipt.code not in DONE:
                raise Refusal(receipt.code, receipt.message)
        status, body = await render(known.resource)
        return await self._store_answer(asked, Answer(status, _json.encode(body)))

    async def _receipt(self, transaction: bytes) -> Receipt | None:
        """From the read model when it was folded long ago, else as soon as its block is."""
        async with self._store.reading() as work:
            folded = await work.receipt_of(transaction)
        return folded or await self._chain.receipt(transaction.hex(), self._wait_s)

    async def _store_answer(self, asked: Asked, answer: Answer) -> Answer:
        """The first answer stays; who comes second sends the first one's bytes."""
        async with self._store.writing() as work:
            await work.answer_request(asked.principal.account, asked.key, answer.status, answer.body)
            stored = await work.request(asked.principal.account, asked.key)
        if stored is None or stored.status is None or stored.body is None:
            return answer
        return Answer(stored.status, stored.body, replayed=stored.body != answer.body)

    def _fresh(self, known: StoredRequest) -> bool:
        return self._clock.now_ms() - known.created_ms < REPLAY_MS
