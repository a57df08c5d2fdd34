"""`/control/…`: for demonstrations and tests, never for the platform itself. And `/ecb/…`, a single page."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from sandbox.application.carriers import Parcels
from sandbox.application.control import Cashier, all_books
from sandbox.application.mischief import misbehave
from sandbox.application.ports import Store
from sandbox.application.world import World
from sandbox.core.ecb_document import ecb_document
from sandbox.core.records import Mischief, Scan
from sps.runtime.http import FieldError, Problem, responses

REPEAT_MAX: Final = 20
CALLS_MAX: Final = 1_000
DELAY_MS_MAX: Final = 600_000

Word = Annotated[str, Field(max_length=100)]
Count = Annotated[int, Field(ge=0, le=CALLS_MAX)]
Carrier = Literal["dhl", "easypost"]


class Model(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Destination(Model):
    """Where a parcel goes."""

    country: Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")]
    postcode: Annotated[str, Field(min_length=1, max_length=20)]


class ParcelWish(Model):
    """A carrier takes a parcel."""

    carrier: Carrier
    tracking_number: Word
    destination: Destination


class MoveWish(Model):
    """The next thing happens."""

    status: Word
    signed_by: Word = ""
    postcode: Annotated[str, Field(max_length=20)] = ""
    handover: Word = ""


class Amount(Model):
    """What is paid instead of what was asked for."""

    minor: Annotated[int, Field(gt=0, le=10**12)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class PayWish(Model):
    """Pay in the buyer's place."""

    provider: Literal["alipay", "stripe"]
    url: Annotated[str, Field(max_length=8_000)]
    amount: Amount | None = None
    again: bool = False


class MischiefWish(Model):
    """What goes wrong from now on; everything that is not named is good again."""

    provider: Literal["", "alipay", "stripe", "dhl", "easypost"] = ""
    repeat: Annotated[int, Field(ge=0, le=REPEAT_MAX)] = 0
    shuffle: bool = False
    drop_answer_after_executing: Count = 0
    fail_payouts: Count = 0
    return_payouts: Count = 0
    delay_ms: Annotated[int, Field(ge=0, le=DELAY_MS_MAX)] = 0
    silent: bool = False


def control_router(store: Store, parcels: Parcels, cashier: Cashier) -> APIRouter:
    """The routes of the control interface."""
    router = APIRouter(prefix="/control", tags=["control"], responses=responses(404, 409))

    @router.post("/parcels")
    async def register(wish: ParcelWish) -> dict[str, Any]:
        place = wish.destination
        try:
            parcel = await parcels.register(wish.carrier, wish.tracking_number, place.country, place.postcode)
        except ValueError as error:
            raise _bad("/body/tracking_number", str(error)) from error
        return {"carrier": parcel.carrier, "tracking_number": parcel.number}

    @router.post("/parcels/{carrier}/{number}/move")
    async def move(carrier: Carrier, number: str, wish: MoveWish) -> dict[str, Any]:
        scan = Scan(carrier, number, wish.status, 0, wish.signed_by, wish.postcode.upper(), wish.handover)
        try:
            scans = await parcels.move(carrier, number, scan)
        except ValueError as error:
            raise _bad("/path/number", str(error)) from error
        return {"status": scans[-1].status, "scans": len(scans), "occurred_ms": scans[-1].occurred_ms}

    @router.post("/pay")
    async def pay(wish: PayWish) -> dict[str, Any]:
        minor, currency = (wish.amount.minor, wish.amount.currency) if wish.amount else (None, "")
        paid = await cashier.pay_link(wish.provider, wish.url, minor, currency, again=wish.again)
        return {
            "state": paid.state,
            "our_id": paid.our_id,
            "reference": paid.reference,
            "minor": paid.received_minor,
            "currency": paid.received_currency,
        }

    @router.post("/misbehave")
    async def set_mischief(wish: MischiefWish) -> dict[str, Any]:
        now = await misbehave(store, _mischief(wish))
        return {"providers": [each.provider for each in now]}

    @router.get("/books")
    async def books() -> dict[str, Any]:
        return await all_books(store)

    return router


def ecb_router(world: World) -> APIRouter:
    """The reference rates."""
    router = APIRouter(prefix="/ecb", tags=["ecb"])

    @router.get("/eurofxref-daily.xml", response_model=None)
    async def daily() -> Response:
        return Response(ecb_document(world.now_ms()), media_type="text/xml")

    return router


def _mischief(wish: MischiefWish) -> Mischief:
    return Mischief(
        provider=wish.provider,
        repeat=wish.repeat,
        shuffle=wish.shuffle,
        drop_answers=wish.drop_answer_after_executing,
        fail_payouts=wish.fail_payouts,
        return_payouts=wish.return_payouts,
        delay_ms=wish.delay_ms,
        silent=wish.silent,
    )


def _bad(pointer: str, message: str) -> Problem:
    errors = (FieldError(pointer, "BAD_TRACKING_NUMBER", message),)
    return Problem(422, "VALIDATION_FAILED", "The input does not fit", message, errors)
