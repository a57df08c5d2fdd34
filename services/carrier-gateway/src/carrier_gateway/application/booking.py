"""Booking: bind a tracking number to one parcel of one contract, for ever.

One database transaction holds the row, the wish for a subscription and the transaction for the chain. A
repeat gives the same answer; a number that the chain refused may be tried again.
"""

import hashlib
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from carrier_gateway.application.store_port import AlreadyThere, Parcel, Store, Unit
from carrier_gateway.core.normal_forms import Destination, tracking_tag
from sps import identifiers
from sps.runtime.clock import Clock
from sps.runtime.errors import Refusal
from sps.transactions.codec import encode, transaction_hash
from sps.transactions.vocabulary import BookParcel

TRACKING_NUMBER_USED: Final = "TRACKING_NUMBER_USED"
USED_MESSAGE: Final = (
    "This tracking number is already bound to a parcel. Check the number on the label;"
    " every parcel needs a tracking number of its own."
)


class Booking(Struct, frozen=True):
    """A wish to book, in normal form."""

    contract: str
    parcel: str
    carrier: str
    number: str
    destination: Destination
    salt: bytes


class Booker:
    """Knows the pepper of the tags; `wake` tells the workers that there is somebody to subscribe for."""

    def __init__(self, store: Store, clock: Clock, pepper: bytes, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._pepper = pepper
        self._wake = wake

    async def book(self, booking: Booking) -> tuple[Parcel, bool]:
        """The parcel, and whether it is new. `Refusal` TRACKING_NUMBER_USED for the number of another."""
        try:
            booked = await self._book_once(booking)
        except AlreadyThere:  # somebody else was between our look and our writing; now the row is there
            booked = await self._book_once(booking)
        self._wake()
        return booked

    async def _book_once(self, booking: Booking) -> tuple[Parcel, bool]:
        async with self._store.transaction() as unit:
            known = await unit.parcel_for_change(booking.carrier, booking.number)
            if known is None:
                return await self._first(unit, booking), True
            return await self._again(unit, booking, known), False

    async def find(self, contract: str, parcel: str) -> Parcel | None:
        """The newest booking of a parcel."""
        async with self._store.reading() as unit:
            return await unit.newest_parcel(contract, parcel)

    async def _first(self, unit: Unit, booking: Booking) -> Parcel:
        now_ms = self._clock.now_ms()
        parcel = Parcel(
            tag=tracking_tag(self._pepper, booking.carrier, booking.number),
            contract=booking.contract,
            parcel=booking.parcel,
            carrier=booking.carrier,
            number=booking.number,
            destination=booking.destination,
            salt=booking.salt,
            created_ms=now_ms,
            subscribe_due_ms=now_ms,
        )
        transaction, parcel = _booked(parcel)
        await unit.add_parcel(parcel)
        await unit.submit(transaction)
        return parcel

    async def _again(self, unit: Unit, booking: Booking, known: Parcel) -> Parcel:
        if not _is_free_for(booking, known):
            if _is_same(booking, known):
                return known
            raise Refusal(TRACKING_NUMBER_USED, USED_MESSAGE)
        now_ms = self._clock.now_ms()
        transaction, parcel = _booked(
            replace(
                known,
                contract=booking.contract,
                parcel=booking.parcel,
                destination=booking.destination,
                salt=booking.salt,
                created_ms=now_ms,
                watch="booking",
                code="",
                message="",
                bookings=known.bookings + 1,
                subscribe_due_ms=None if known.subscription == "made" else now_ms,
            )
        )
        await unit.forget_given(parcel.tag)
        await unit.save_parcel(parcel)
        await unit.submit(transaction)
        return parcel


def _is_free_for(booking: Booking, known: Parcel) -> bool:
    """A refused number was never bound; a replaced one may come back to its own parcel (D2)."""
    return known.watch == "refused" or (known.watch == "replaced" and _is_same(booking, known))


def _is_same(booking: Booking, known: Parcel) -> bool:
    return (booking.contract, booking.parcel) == (known.contract, known.parcel)


def _booked(parcel: Parcel) -> tuple[BookParcel, Parcel]:
    content = f"book|{parcel.tag}|{parcel.contract}|{parcel.parcel}|{parcel.bookings}"
    transaction = BookParcel(
        id=identifiers.derived(identifiers.EVENT, hashlib.sha256(content.encode()).digest()),
        contract=parcel.contract,
        parcel=parcel.parcel,
        carrier=parcel.carrier,
        tag=parcel.tag,
    )
    return transaction, replace(parcel, booking=transaction_hash(encode(transaction)).hex())
