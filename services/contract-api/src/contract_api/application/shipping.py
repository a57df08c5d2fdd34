"""Sending the buyer to pay, and the parcel on its way: both by the gateways, which vouch for it."""

import asyncio
import time
from typing import Any, Final

from contract_api.application.idempotent import CREATED, Answer, Asked, Desk, Intent
from contract_api.application.ports import Booking, Gateways, Store
from contract_api.application.reading import Reader
from sps.runtime.errors import Refusal

BOOKING_POLL_S: Final = 0.02


class Shipping:
    """The use cases that need another service."""

    def __init__(self, store: Store, desk: Desk, reader: Reader, gateways: Gateways, wait_s: float) -> None:
        self._store = store
        self._desk = desk
        self._reader = reader
        self._gateways = gateways
        self._wait_s = wait_s

    async def open_payment(self, asked: Asked, contract: str, provider: str, return_url: str) -> Answer:
        """F7: a checkout at the provider for what is still due."""
        opened: dict[str, Any] = {}
        back = return_url or self._reader.page_of(contract)

        async def open_now() -> None:
            row = await self._reader.row(contract)
            opened.update(await self._gateways.open_payment(contract, row.height, provider, back))

        async def prepare() -> Intent:
            await open_now()
            return Intent(str(opened["payment"]))

        async def render(payment: str) -> tuple[int, Any]:
            if not opened:
                await open_now()
            return CREATED, {"payment": payment, "url": opened["url"]}

        return await self._desk.handle(asked, prepare, render, outside=True)

    async def book_parcel(
        self, asked: Asked, contract: str, parcel: str, carrier: str, tracking_number: str
    ) -> Answer:
        """D1: bind a tracking number; answered once the contract shows it."""

        async def prepare() -> Intent:
            booking = await self._booking(contract, parcel, carrier, tracking_number)
            await self._gateways.book_parcel(booking)
            return Intent(f"{contract}/{parcel}")

        async def render(_: str) -> tuple[int, Any]:
            return CREATED, await self._booked(contract, parcel)

        return await self._desk.handle(asked, prepare, render, outside=True)

    async def _booking(self, contract: str, parcel: str, carrier: str, tracking_number: str) -> Booking:
        row = await self._reader.row(contract)
        if parcel not in {each.id for each in row.contract.parcels}:
            raise Refusal("UNKNOWN_PARCEL", "name one of the contract's parcels")
        async with self._store.reading() as work:
            private = await work.private_data(contract)
        if private is None or private.ship_to is None or private.salts is None:
            raise Refusal(
                "ADDRESS_ERASED", "the delivery address was erased; the parcel cannot be booked any more"
            )
        ship_to = private.ship_to
        return Booking(
            contract,
            parcel,
            carrier,
            tracking_number,
            ship_to.country,
            ship_to.postcode,
            private.salts.ship_to,
        )

    async def _booked(self, contract: str, parcel: str) -> dict[str, Any]:
        end = time.monotonic() + self._wait_s
        while True:
            row = await self._reader.row(contract)
            found = next(each for each in row.contract.parcels if each.id == parcel)
            if found.state != "planned" or time.monotonic() > end:
                return {"parcel": found.id, "carrier": found.carrier, "tag": found.tag, "state": found.state}
            await asyncio.sleep(BOOKING_POLL_S)
