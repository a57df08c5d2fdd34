"""Following: what the chain says about our bookings, folded in the transaction of the block's projection."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from carrier_gateway.application.store_port import Parcel, Unit
from carrier_gateway.application.tally import Tally
from carrier_gateway.core.watching import Watch, watch_of
from sps.chain.receipt import OK, Receipt
from sps.escrow.refusals import DUPLICATE
from sps.escrow.state import Contract
from sps.runtime.clock import Clock

BOOKED: Final = "parcel.book.v1"
EVIDENCE: Final = "parcel.evidence.v1"


class Fold:
    """Applies the receipts of one block to the parcels that they concern."""

    def __init__(self, clock: Clock, tally: Tally) -> None:
        self._clock = clock
        self._tally = tally

    async def apply(self, unit: Unit, receipts: Sequence[Receipt], contracts: Mapping[str, Contract]) -> None:
        """`contracts` are as they stand after the block."""
        touched = {receipt.subject for receipt in receipts if receipt.subject}
        bookings = {receipt.transaction: receipt for receipt in receipts if receipt.kind == BOOKED}
        self._count_refusals(receipts)
        for parcel in await unit.parcels_concerned(sorted(touched), sorted(bookings)):
            changed = self._answered(parcel, bookings.get(parcel.booking))
            changed = self._watched(changed, contracts.get(parcel.contract))
            if changed != parcel:
                await unit.save_parcel(changed)

    def _answered(self, parcel: Parcel, receipt: Receipt | None) -> Parcel:
        """The chain's answer to our booking. A booked parcel is asked for at once: it may be on its way."""
        if receipt is None or parcel.watch != "booking":
            return parcel
        if receipt.code in {OK, DUPLICATE}:
            return replace(parcel, watch="booked", poll_due_ms=self._clock.now_ms())
        return replace(
            parcel,
            watch="refused",
            code=receipt.code,
            message=receipt.message,
            subscribe_due_ms=None,
            poll_due_ms=None,
        )

    def _watched(self, parcel: Parcel, contract: Contract | None) -> Parcel:
        if contract is None or parcel.watch not in {"booked", "settled"}:
            return parcel
        watch = watch_of(contract, parcel.parcel, parcel.tag)
        return parcel if watch is None or watch == parcel.watch else _ended(parcel, watch)

    def _count_refusals(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            if receipt.kind in {BOOKED, EVIDENCE} and receipt.code != OK:
                self._tally.chain_refused(receipt.kind, receipt.code)


def _ended(parcel: Parcel, watch: Watch) -> Parcel:
    """No more questions; when the contract is over, the address is forgotten as well."""
    ended = replace(parcel, watch=watch, poll_due_ms=None, subscribe_due_ms=None)
    return replace(ended, destination=None, salt=None) if watch == "closed" else ended
