"""Blocks of the chain come in here: the follower's projection hands their receipts to the fold."""

from sqlalchemy.ext.asyncio import AsyncConnection

from carrier_gateway.application.following import Fold
from carrier_gateway.application.store_port import Store
from sps.runtime.follower import ExecutedBlock


class BookingProjection:
    """The port `Projection`; writes in the transaction of the block alone."""

    def __init__(self, store: Store, fold: Fold) -> None:
        self._store = store
        self._fold = fold

    async def apply(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        await self._fold.apply(self._store.within(connection), block.receipts, block.state.contracts)
