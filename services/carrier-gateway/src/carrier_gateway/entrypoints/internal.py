"""`/internal/parcels`: contract-api books parcels here and asks what became of a booking."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from carrier_gateway.application.booking import TRACKING_NUMBER_USED, Booker, Booking
from carrier_gateway.application.store_port import Parcel
from carrier_gateway.core.normal_forms import BadForm, normal_destination, normal_number
from sps.runtime.errors import Refusal
from sps.runtime.http import FieldError, Problem, responses
from sps.runtime.internal_auth import internal_only

CREATED: Final = 201
TEXT_CHARS_MAX: Final = 64

Contract = Annotated[str, Field(pattern=r"^ctr_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
ParcelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_CHARS_MAX)]


class BookingWish(BaseModel):
    """Bind a tracking number to a parcel of a contract."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    contract: Contract
    parcel: ParcelName
    carrier: ParcelName
    tracking_number: Text
    country: Text
    postcode: Text
    ship_to_salt: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Hex; kept only as long as the contract is open."""


class BookedParcel(BaseModel):
    """A booking and what became of it; never the tracking number or the address."""

    contract: str
    parcel: str
    carrier: str
    tag: str
    state: str
    """`booking` until the chain answers; `booked`, `settled`, `closed`, `replaced`; `refused` with `code`."""
    code: str
    message: str
    subscription: str


def internal_router(booker: Booker, carriers: tuple[str, ...], token: SecretStr) -> APIRouter:
    """The routes for other services of the installation."""
    router = APIRouter(prefix="/internal", tags=["internal"], dependencies=[Depends(internal_only(token))])

    @router.post("/parcels", status_code=CREATED, responses=responses(401, 409))
    async def book(wish: BookingWish, response: Response) -> BookedParcel:
        """201 for a new number, 200 for the same wish again, 409 for the number of another parcel."""
        try:
            parcel, fresh = await booker.book(_booking(wish, carriers))
        except Refusal as refusal:
            raise Problem(409, refusal.code, _TITLES.get(refusal.code, ""), refusal.message) from refusal
        response.status_code = CREATED if fresh else 200
        return _shown(parcel)

    @router.get("/parcels/{contract}/{parcel}", responses=responses(401, 404))
    async def find(contract: Contract, parcel: ParcelName) -> BookedParcel:
        """The newest booking of a parcel."""
        found = await booker.find(contract, parcel)
        if found is None:
            raise Problem(404, "NOT_FOUND", "No tracking number was booked for this parcel")
        return _shown(found)

    return router


_TITLES: Final = {TRACKING_NUMBER_USED: "The tracking number is used already"}


def _booking(wish: BookingWish, carriers: tuple[str, ...]) -> Booking:
    if wish.carrier not in carriers:
        raise _bad("/body/carrier", "UNKNOWN_CARRIER", f"carriers here: {', '.join(carriers)}")
    try:
        number = normal_number(wish.tracking_number)
    except BadForm as bad:
        raise _bad("/body/tracking_number", "BAD_TRACKING_NUMBER", str(bad)) from bad
    try:
        destination = normal_destination(wish.country, wish.postcode)
    except BadForm as bad:
        raise _bad("/body/postcode", "BAD_DESTINATION", str(bad)) from bad
    salt = bytes.fromhex(wish.ship_to_salt)
    return Booking(wish.contract, wish.parcel, wish.carrier, number, destination, salt)


def _bad(pointer: str, code: str, message: str) -> Problem:
    return Problem(422, code, "The input does not fit", message, (FieldError(pointer, code, message),))


def _shown(parcel: Parcel) -> BookedParcel:
    return BookedParcel(
        contract=parcel.contract,
        parcel=parcel.parcel,
        carrier=parcel.carrier,
        tag=parcel.tag,
        state=parcel.watch,
        code=parcel.code,
        message=parcel.message,
        subscription=parcel.subscription,
    )
