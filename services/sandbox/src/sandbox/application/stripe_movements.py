"""Stripe-like: refunds, payouts to external accounts, transfers to connected accounts."""

from typing import Final

from msgspec.structs import replace

from sandbox.application.bookkeeping import NotEnough, post
from sandbox.application.mischief import take
from sandbox.application.ports import Unit
from sandbox.application.settling import STEP_MS, Settler
from sandbox.application.stripe_checkout import StripeCheckout, metadata_of, whole
from sandbox.application.telling import Teller
from sandbox.application.world import World
from sandbox.core import stripe_words as words
from sandbox.core.records import STRIPE, Entry, Movement, Payment
from sandbox.core.stripe_words import Event, Form, Shape, StripeError

KINDS: Final = {"refunds": "refund", "payouts": "payout", "transfers": "transfer"}
PREFIXES: Final = {"refund": "re", "payout": "po", "transfer": "tr"}
PAGE_DEFAULT: Final = 10
PAGE_MAX: Final = 100
REFUSED: Final = "refused"
"""A transfer that was asked for and not made; it is in our books only."""


class StripeMovements:
    """Money that leaves one platform account, inside the caller's unit."""

    def __init__(self, world: World, teller: Teller, settler: Settler, checkout: StripeCheckout) -> None:
        self._world = world
        self._teller = teller
        self._settler = settler
        self._checkout = checkout

    async def create(self, unit: Unit, path: str, form: Form) -> Movement:
        """A movement, made for the first time. The key is the caller's business."""
        kind = KINDS[path]
        return await (self._refund(unit, form) if kind == "refund" else self._send(unit, kind, form))

    async def get(self, unit: Unit, path: str, reference: str) -> Movement:
        found = await unit.find(Movement, provider=STRIPE, kind=KINDS[path], reference=reference)
        if found is None or found.state == REFUSED:
            raise StripeError(404, "resource_missing", f"No such {KINDS[path]}: '{reference}'")
        return found

    async def listed(self, unit: Unit, path: str, form: Form) -> Shape:
        """Newest first, a page at a time."""
        limit = min(PAGE_MAX, whole(form.get("limit", PAGE_DEFAULT), "limit"))
        after = str(form.get("starting_after", ""))
        below_id = (await self.get(unit, path, after)).id if after else 0
        asked = {
            "payment": form.get("payment_intent"),
            "destination": form.get("destination"),
            "grouping": form.get("transfer_group"),
        }
        records = await unit.find_all(
            Movement,
            limit=limit + 1,
            newest_first=True,
            below_id=below_id,
            since_ms=_since_ms(form),
            provider=STRIPE,
            kind=KINDS[path],
            **{name: str(value) for name, value in asked.items() if value},
        )
        shapes = [words.movement(record) for record in records[:limit] if record.state != REFUSED]
        return words.listed(path, shapes, has_more=len(records) > limit)

    async def _refund(self, unit: Unit, form: Form) -> Movement:
        payment = await self._checkout.intent(unit, str(form.get("payment_intent", "")))
        left = payment.received_minor - payment.refunded
        currency = payment.received_currency
        minor = words.to_minor(whole(form["amount"], "amount"), currency) if "amount" in form else left
        if left == 0:
            raise StripeError(400, "charge_already_refunded", "The charge has already been refunded.")
        if minor > left:
            raise StripeError(400, "", "The refund is greater than the unrefunded amount on the charge")
        return await self._refunded(unit, payment, minor, form)

    async def _refunded(self, unit: Unit, payment: Payment, minor: int, form: Form) -> Movement:
        record = self._record("refund", minor, payment.received_currency, "paid", form)
        record = replace(record, payment=payment.reference, settled_ms=record.created_ms)
        await self._take(unit, record, "refunded")
        record = await unit.add(record)
        payment = await unit.save(replace(payment, refunded=payment.refunded + minor))
        await self._teller.stripe(unit, Event("charge.refunded", words.charge(payment)), record.our_id)
        await self._teller.stripe(unit, Event("refund.updated", words.movement(record)), record.our_id)
        return record

    async def _send(self, unit: Unit, kind: str, form: Form) -> Movement:
        currency = words.checked_currency(str(form.get("currency", "")))
        minor = words.to_minor(whole(form.get("amount"), "amount"), currency)
        if not form.get("destination") and kind == "transfer":
            raise StripeError(400, "parameter_missing", "Missing required param: destination.")
        if kind == "transfer" and await take(unit, STRIPE, "fail_payouts"):
            await unit.add(self._record(kind, minor, currency, REFUSED, form))
            raise StripeError(
                400, "transfers_not_allowed", "The destination cannot take transfers", kept=True
            )
        path = await self._settler.path(unit, STRIPE, "paid" if kind == "payout" else "")
        record = self._record(kind, minor, currency, "pending" if kind == "payout" else "paid", form)
        due_ms = record.created_ms + STEP_MS if path else 0
        await self._take(unit, record, "paid_out")
        record = await unit.add(replace(record, path=path, due_ms=due_ms))
        unit.after_commit(self._world.wake.set)
        await self._settler.tell(unit, record)
        return record

    async def _take(self, unit: Unit, record: Movement, kind: str) -> None:
        try:
            await post(
                unit, Entry(STRIPE, record.currency, kind, record.minor, record.reference, record.created_ms)
            )
        except NotEnough as error:
            raise StripeError(400, "balance_insufficient", str(error)) from error

    def _record(self, kind: str, minor: int, currency: str, state: str, form: Form) -> Movement:
        metadata = metadata_of(form.get("metadata"))
        group = str(form.get("transfer_group", ""))
        return Movement(
            provider=STRIPE,
            kind=kind,
            our_id=metadata.get("order", group),
            reference=self._world.token(PREFIXES[kind]),
            minor=minor,
            currency=currency,
            state=state,
            created_ms=self._world.now_ms(),
            destination=str(form.get("destination", "")),
            grouping=group,
            facts={"metadata": metadata, "transfer_group": group or None},
        )


def _since_ms(form: Form) -> int:
    created = form.get("created")
    since = str(created.get("gte", "")) if isinstance(created, dict) else ""
    return int(since) * 1000 if since.isdecimal() and len(since) <= 12 else 0  # noqa: PLR2004 digits of a time
