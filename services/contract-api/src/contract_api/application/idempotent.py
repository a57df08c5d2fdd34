"""One key, one effect, one answer: the frame around everything that changes something.

The request's row is written in the same database transaction as its effect. Where the effect is another
service's, the row comes first, without a resource, so that no second request acts under its key. A repeat
waits for the first and gets its bytes. A crash in between leaves a row without an answer, or without a
resource; the next repeat looks the outcome up, or asks the other service again, which knows repeats.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from contract_api.application.ports import Chain, Principal, Store, StoredRequest, Work
from contract_api.core.idempotency import REPLAY_MS, fingerprint, valid_key, verdict
from sps.chain.receipt import OK, Receipt
from sps.escrow.refusals import DUPLICATE
from sps.runtime.clock import Clock
from sps.runtime.errors import Refusal, Trouble
from sps.transactions.codec import encode, transaction_hash
from sps.transactions.vocabulary import Transaction

CREATED: Final = 201
FINE: Final = 200
ACCEPTED: Final = 202
DONE: Final = frozenset({OK, DUPLICATE})
"""Codes of success. Who says again, under another key, what holds already gets the resource as it is."""
RESERVED: Final = ""
"""The resource of a request whose effect another service is being asked for."""
MS_PER_S: Final = 1_000
LOOK_FIRST_S: Final = 0.02
LOOK_LAST_S: Final = 1.0
"""Pauses between two looks at what another request, or another instance of this service, has done."""

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


Prepare = Callable[[], Awaitable[Intent]]
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

    async def handle(
        self, asked: Asked, prepare: Prepare, render: Render, *, outside: bool = False
    ) -> Answer:
        """Do it once, or answer as the first time; raises `Refusal` with the chain's code.

        `outside`: `prepare` itself has the effect, at another service, and may be repeated.
        """
        if not valid_key(asked.key):
            raise Refusal(
                "IDEMPOTENCY_KEY_BAD", "send an Idempotency-Key of 1 to 255 visible ASCII characters"
            )
        known = await self._known(asked)
        if known is None or (outside and known.status is None):
            known = await (
                self._outside(asked, known, prepare) if outside else self._claim(asked, await prepare())
            )
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
        """The row and its effect, in one transaction; or the row of whoever was first."""
        name = transaction_hash(encode(intent.transaction)) if intent.transaction is not None else None
        row = StoredRequest(asked.print_, intent.resource, name, None, None, self._clock.now_ms())
        async with self._store.writing() as work:
            if await work.claim_request(asked.principal.account, asked.key, row):
                if intent.keep is not None:
                    await intent.keep(work)
                if intent.transaction is not None:
                    await work.submit(intent.transaction)
                return row
        known = await self._known(asked)
        if known is None:
            raise Trouble("the first request under this key was just given up")
        return known

    async def _outside(self, asked: Asked, known: StoredRequest | None, prepare: Prepare) -> StoredRequest:
        """Reserve the key, then act. Who comes second waits for the first, and acts if that was in vain."""
        end = time.monotonic() + self._wait_s
        while known is not None or not await self._reserve(asked):
            known = await self._answered(asked, end)
            if known is not None and known.resource != RESERVED:
                return known
            if known is not None or time.monotonic() > end:
                break
        try:
            intent = await prepare()
        except Exception as error:
            async with self._store.writing() as work:
                forget = isinstance(error, Refusal)
                await work.release_request(asked.principal.account, asked.key, asked.print_, forget=forget)
            raise
        return await self._claim(asked, intent)

    async def _reserve(self, asked: Asked) -> bool:
        row = StoredRequest(asked.print_, RESERVED, None, None, None, self._clock.now_ms())
        async with self._store.writing() as work:
            return await work.claim_request(asked.principal.account, asked.key, row)

    async def _answered(self, asked: Asked, end: float) -> StoredRequest | None:
        """The row of the request that came first, once it has its answer; None when it was refused.

        As it stands, when nobody can be at it any more or it takes too long.
        """
        pause_s = LOOK_FIRST_S
        while True:
            known = await self._known(asked)
            if known is None or known.status is not None or time.monotonic() > end:
                return known
            if self._clock.now_ms() - known.created_ms > self._wait_s * MS_PER_S:
                return known
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LOOK_LAST_S)

    async def _finish(self, asked: Asked, known: StoredRequest, render: Render) -> Answer:
        if known.transaction is not None:
            receipt = await self._receipt(known.transaction)
            if receipt is None:
                # Not kept: the same request asks again until the outcome is final.
                return Answer(ACCEPTED, _json.encode({"resource": known.resource, "status": "pending"}))
            if receipt.code not in DONE:
                raise Refusal(receipt.code, receipt.message)
        status, body = await render(known.resource)
        answer = Answer(status, _json.encode(body))
        # An answer that is older than we replay stays where it is: the resource is shown as it is now.
        return answer if known.status is not None else await self._store_answer(asked, answer)

    async def _receipt(self, transaction: bytes) -> Receipt | None:
        """As soon as its block is folded, by us or by another instance on the same database."""
        end, pause_s = time.monotonic() + self._wait_s, LOOK_FIRST_S
        while True:
            async with self._store.reading() as work:
                receipt = await work.receipt_of(transaction)
            left_s = end - time.monotonic()
            if receipt is not None or left_s <= 0:
                return receipt
            pause_s = min(2 * pause_s, LOOK_LAST_S)
            receipt = await self._chain.receipt(transaction.hex(), min(pause_s, left_s))
            if receipt is not None:
                return receipt

    async def _store_answer(self, asked: Asked, answer: Answer) -> Answer:
        """The first answer stays; who comes second sends the first one's bytes."""
        account, key = asked.principal.account, asked.key
        async with self._store.writing() as work:
            if await work.answer_request(account, key, answer.status, answer.body):
                return answer
            stored = await work.request(account, key)
        if stored is None or stored.status is None or stored.body is None:
            return answer
        return Answer(stored.status, stored.body, replayed=True)

    def _fresh(self, known: StoredRequest) -> bool:
        return self._clock.now_ms() - known.created_ms < REPLAY_MS
