"""Which payouts and refunds the chain has ordered, and when by block time.

An ordered payout opens account 2300 in its own name, a refund 2310 (`docs/ledger.md`, P60 and P40): so the
journals of a block tell exactly which orders it made.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_gateway.adapters.tables import chain_order
from sps.chain.receipt import Receipt
from sps.runtime.follower import ExecutedBlock

IN_TRANSIT: Final = frozenset({"2300", "2310"})


class OrderProjection:
    """`Projection`: notes new orders; the signed order of settlement is compared with the state later."""

    async def apply(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        rows = [
            {"id": order, "height": block.height, "block_ms": block.time_ms}
            for order in dict.fromkeys(ordered(block.receipts))
        ]
        if rows:
            new = insert(chain_order).on_conflict_do_nothing(index_elements=[chain_order.c.id])
            await connection.execute(new, rows)


def ordered(receipts: Iterable[Receipt]) -> Iterator[str]:
    """Identifiers of the payouts and refunds whose in-transit account was credited."""
    for receipt in receipts:
        for journal in receipt.journals:
            for posting in journal.postings:
                code, _, rest = posting.account.partition("/")
                if code in IN_TRANSIT and posting.amount < 0:
                    yield rest.rpartition("/")[0]
