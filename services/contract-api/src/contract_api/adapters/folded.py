"""What was folded from blocks, read again: contracts, their events, balances, payouts, quotes, proofs."""

from typing import Any, Final

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contract_api.adapters import tables
from contract_api.adapters.ordering import bytewise
from contract_api.adapters.packing import read_contract, read_payout, read_quote, read_receipts
from contract_api.application.ports import ContractRow, EventRow, ProofMaterial
from sps.chain.receipt import Receipt, decode_receipt
from sps.escrow.state import Payout, Quote

PROOF_EVENTS_MAX: Final = 1_000
BALANCES_MAX: Final = 1_000


class FoldedReading:
    """Queries over the read models, within one transaction or view."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def contract(self, contract: str) -> ContractRow | None:
        row = await self._one(select(tables.contract).where(tables.contract.c.id == contract))
        return ContractRow(read_contract(row.body), row.state, row.outcome, row.height) if row else None

    async def events(self, subject: str, after: tuple[int, int], limit: int) -> list[EventRow]:
        event = tables.event.c
        later = or_(event.height > after[0], and_(event.height == after[0], event.n > after[1]))
        query = (
            select(event.time_ms, event.receipt, event.body)
            .where(event.subject == subject, later)
            .order_by(event.height, event.n)
            .limit(limit)
        )
        return await self._events(query)

    async def events_of_block(self, height: int) -> list[EventRow]:
        event = tables.event.c
        query = select(event.time_ms, event.receipt, event.body).where(event.height == height)
        return await self._events(query.order_by(event.n))

    async def block(self, height: int) -> bytes | None:
        row = await self._one(select(tables.block.c.record).where(tables.block.c.height == height))
        return bytes(row.record) if row else None

    async def receipt_of(self, transaction: bytes) -> Receipt | None:
        event = tables.event.c
        query = select(event.receipt).where(event.cause_transaction == transaction)
        row = await self._one(query.order_by(event.height, event.n).limit(1))
        return decode_receipt(row.receipt) if row else None

    async def balances(self, owner: str) -> list[tuple[str, str, int]]:
        balance = tables.balance.c
        query = select(balance.code, balance.currency, balance.minor).where(balance.owner == owner)
        rows = await self._connection.execute(query.limit(BALANCES_MAX))
        return [(row.code, row.currency, row.minor) for row in rows]

    async def payout(self, payout: str) -> Payout | None:
        row = await self._one(select(tables.payout.c.body).where(tables.payout.c.id == payout))
        return read_payout(row.body) if row else None

    async def payouts_of(self, seller: str, limit: int) -> list[Payout]:
        payout = tables.payout.c
        query = select(payout.body).where(payout.seller == seller)
        query = query.order_by(payout.opened_height.desc(), bytewise(payout.id).desc()).limit(limit)
        return [read_payout(row.body) for row in await self._connection.execute(query)]

    async def quote(self, quote: str) -> Quote | None:
        row = await self._one(select(tables.quote.c.body).where(tables.quote.c.id == quote))
        return read_quote(row.body) if row else None

    # --- proofs -------------------------------------------------------------------------------

    async def proof_material(self, contract: str) -> ProofMaterial | None:
        """All that a proof of this contract needs; None while a result is not carried by a header yet."""
        event, block = tables.event.c, tables.block.c
        rows = await self._connection.execute(
            select(event.height).where(event.subject == contract).distinct().limit(PROOF_EVENTS_MAX)
        )
        heights = [row.height for row in rows]
        executed = {
            row.height: row
            for row in await self._connection.execute(select(tables.block).where(block.height.in_(heights)))
        }
        carried = {
            row.executed_height: row.record
            for row in await self._connection.execute(
                select(block.executed_height, block.record).where(block.executed_height.in_(heights))
            )
        }
        if not heights or len(executed) < len(heights) or len(carried) < len(heights):
            return None
        return ProofMaterial(
            {height: row.record for height, row in executed.items()},
            {height: read_receipts(row.receipts) for height, row in executed.items() if row.receipts},
            carried,
            {row.digest: row.record for row in await self._batches_of(heights)},
        )

    async def _batches_of(self, heights: list[int]) -> Any:
        batch = tables.batch
        return await self._connection.execute(
            select(batch.c.digest, batch.c.record).where(batch.c.height.in_(heights))
        )

    async def _events(self, query: Any) -> list[EventRow]:
        rows = await self._connection.execute(query)
        return [EventRow(row.time_ms, decode_receipt(row.receipt), row.body) for row in rows]

    async def _one(self, query: Any) -> Any:
        return (await self._connection.execute(query)).first()
