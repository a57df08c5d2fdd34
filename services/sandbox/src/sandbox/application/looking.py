"""What the pages show: the newest of everything."""

from typing import Final

from msgspec import Struct

from sandbox.application.ports import PAGE_MAX, Store
from sandbox.core.books import books
from sandbox.core.records import Account, Delivery, Entry, Mischief, Movement, Parcel, Payment, Scan

SHOWN: Final = 25
BOOKS_MAX: Final = 1_000_000


class ParcelView(Struct, frozen=True):
    """A parcel and its way."""

    parcel: Parcel
    scans: list[Scan]

    @property
    def status(self) -> str:
        return self.scans[-1].status if self.scans else ""


class Overview(Struct, frozen=True):
    """One moment of the sandbox."""

    parcels: list[ParcelView]
    payments: list[Payment]
    refunds: list[Movement]
    payouts: list[Movement]
    deliveries: list[Delivery]
    mischief: list[Mischief]
    books: dict[str, dict[str, dict[str, int]]]


async def overview(store: Store) -> Overview:
    """Everything for the first page."""
    async with store.reading() as unit:
        parcels = await unit.find_all(Parcel, newest_first=True, limit=SHOWN)
        views = [
            ParcelView(each, await unit.find_all(Scan, carrier=each.carrier, number=each.number))
            for each in parcels
        ]
        movements = await unit.find_all(Movement, newest_first=True, limit=SHOWN * 2)
        return Overview(
            parcels=views,
            payments=await unit.find_all(Payment, newest_first=True, limit=SHOWN),
            refunds=[each for each in movements if each.kind == "refund"],
            payouts=[each for each in movements if each.kind != "refund"],
            deliveries=await unit.find_all(Delivery, newest_first=True, limit=SHOWN),
            mischief=await unit.find_all(Mischief, limit=PAGE_MAX),
            books=books(
                await unit.find_all(Entry, limit=BOOKS_MAX), await unit.find_all(Account, limit=BOOKS_MAX)
            ),
        )
