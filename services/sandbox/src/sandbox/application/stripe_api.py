"""The Stripe-like API: Idempotency-Keys around everything that changes something.

A key belongs to its first request for ever: the same request gets the stored answer, another one is refused.
Without a key, or under a new one, the same wish is executed again: just as the real one does.
"""

import hashlib
import re
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sandbox.application.errors import AnswerLost
from sandbox.application.mischief import take
from sandbox.application.ports import Store, Unit
from sandbox.application.stripe_checkout import StripeCheckout
from sandbox.application.stripe_movements import KINDS, StripeMovements
from sandbox.application.world import World
from sandbox.core import stripe_words as words
from sandbox.core.records import STRIPE, Movement, Payment, Stored
from sandbox.core.stripe_words import Form, Shape, StripeError

KEY_MAX: Final = 255
OK: Final = 200
_SEARCH: Final = re.compile(r"metadata\[['\"](\w{1,40})['\"]\]:['\"]([^'\"]{1,100})['\"]")


class Reply(Struct, frozen=True):
    """What the caller gets. `subject`: session or movement that the call made."""

    status: int
    body: bytes
    subject: str = ""


class StripeApi:
    """One platform account."""

    def __init__(
        self, world: World, store: Store, checkout: StripeCheckout, movements: StripeMovements
    ) -> None:
        self._world = world
        self._store = store
        self._checkout = checkout
        self._movements = movements

    async def post(self, path: str, pairs: list[tuple[str, str]], key: str) -> Reply:
        """A change; raises `AnswerLost` when it was executed and the answer is to be lost."""
        fingerprint = hashlib.sha256(repr((path, sorted(pairs))).encode()).hexdigest()
        try:
            async with self._store.transaction() as unit:
                known = await unit.find(Stored, key=key) if key else None
                if known is not None:
                    return await self._repeated(unit, known, fingerprint)
                reply = await self._first(unit, path, pairs)
                if key:
                    await self._keep(unit, key, fingerprint, reply)
                lost = path in KINDS and await take(unit, STRIPE, "drop_answers")
        except StripeError as error:
            return _refusal(error)
        if lost:
            raise AnswerLost
        return reply

    async def get(self, path: str, pairs: list[tuple[str, str]]) -> Reply:
        """A question."""
        try:
            form = words.nested(pairs)
            async with self._store.reading() as unit:
                return _reply(await self._read(unit, path, form))
        except StripeError as error:
            return _refusal(error)

    async def _first(self, unit: Unit, path: str, pairs: list[tuple[str, str]]) -> Reply:
        try:
            shape = await self._change(unit, path, words.nested(pairs))
        except StripeError as error:
            if not error.kept:
                raise
            return _refusal(error)
        return _reply(shape)

    async def _change(self, unit: Unit, path: str, form: Form) -> Shape:
        if path == "checkout/sessions":
            return self._checkout.shape(await self._checkout.create(unit, form))
        if path in KINDS:
            return words.movement(await self._movements.create(unit, path, form))
        match path.split("/"):
            case ["checkout", "sessions", reference, "expire"]:
                return self._checkout.shape(await self._checkout.expire(unit, reference))
        raise _unknown(path)

    async def _read(self, unit: Unit, path: str, form: Form) -> Shape:
        if path in KINDS:
            return await self._movements.listed(unit, path, form)
        match path.split("/"):
            case ["checkout", "sessions", reference]:
                return self._checkout.shape(await self._checkout.session(unit, reference))
            case ["payment_intents", "search"]:
                return await self._search(unit, str(form.get("query", "")))
            case ["payment_intents", reference]:
                return words.intent(await self._checkout.intent(unit, reference), expanded="expand" in form)
            case [("refunds" | "payouts" | "transfers") as kind, reference]:
                return words.movement(await self._movements.get(unit, kind, reference))
        raise _unknown(path)

    async def _search(self, unit: Unit, query: str) -> Shape:
        match = _SEARCH.fullmatch(query.strip())
        if match is None:
            raise StripeError(400, "parameter_invalid", "only metadata['name']:'value' can be searched for")
        name, value = match.groups()
        where: dict[str, Any] = {"our_id": value} if name == "payment" else {}
        paid = await unit.find_all(Payment, newest_first=True, provider=STRIPE, state="paid", **where)
        found = [each for each in paid if each.facts.get("intent_metadata", {}).get(name) == value]
        shapes = [words.intent(each, expanded=False) for each in found]
        return words.listed("payment_intents/search", shapes, has_more=False) | {"object": "search_result"}

    async def _repeated(self, unit: Unit, known: Stored, fingerprint: str) -> Reply:
        if known.fingerprint != fingerprint:
            raise StripeError(
                400,
                "idempotency_key_in_use",
                "Keys for idempotent requests can only be used with the same parameters.",
                kind="idempotency_error",
            )
        movement = await unit.find(Movement, provider=STRIPE, reference=known.subject)
        if movement is not None:
            await unit.save(replace(movement, repeats=movement.repeats + 1))
        session = await unit.find(Payment, provider=STRIPE, session=known.subject)
        if session is not None:
            await unit.save(replace(session, repeats=session.repeats + 1))
        return Reply(known.status, known.body.encode(), known.subject)

    async def _keep(self, unit: Unit, key: str, fingerprint: str, reply: Reply) -> None:
        if len(key) > KEY_MAX:
            raise StripeError(400, "parameter_invalid", "an Idempotency-Key has at most 255 characters")
        now_ms = self._world.now_ms()
        await unit.add(Stored(key, fingerprint, reply.status, reply.body.decode(), reply.subject, now_ms))


def _reply(shape: Shape) -> Reply:
    return Reply(OK, msgspec.json.encode(shape), str(shape.get("id", "")))


def _refusal(error: StripeError) -> Reply:
    return Reply(error.status, msgspec.json.encode(error.body))


def _unknown(path: str) -> StripeError:
    return StripeError(404, "resource_missing", f"Unrecognized request URL (/v1/{path})")
