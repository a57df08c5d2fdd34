"""Folds one executed block into the read models, within the follower's database transaction.

A row that a block touches is written anew from the executed state: folding never depends on what was there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contract_api.adapters import tables
from contract_api.adapters.packing import pack
from sps.chain.batch import Batch, decode_payload, encode_batch
from sps.chain.binary import Malformed
from sps.chain.block import encode_committed
from sps.chain.receipt import OK, Receipt, encode_receipt
from sps.chain.state import ChainState
from sps.escrow.header import header_of
from sps.escrow.state import Contract
from sps.identifiers import MERCHANT
from sps.runtime.bulk import KEYS_MAX, among, copy_rows
from sps.runtime.projection import ExecutedBlock
from sps.transactions.codec import transaction_hash


class ReadModels:
    """The projection of contract-api."""

    async def apply(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        await self._chain(connection, block)
        if not block.receipts:
            return
        await self._events(connection, block)
        state = block.state
        await self._contracts(connection, block.height, state, block.receipts)
        await self._payouts(connection, block.height, state, block.receipts)
        await self._quotes(connection, state, block.receipts)
        await self._balances(connection, state, block.receipts)

    async def _chain(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        header = block.committed.header
        receipts = [encode_receipt(each) for each in block.receipts]
        row = {
            "height": header.height,
            "executed_height": header.exec_height,
            "record": encode_committed(block.committed),
            "receipts": pack(receipts) if receipts else None,
        }
        await _replace(connection, tables.block, "height", {header.height: row})
        batches = {
            ref.digest: {"digest": ref.digest, "height": header.height, "record": encode_batch(batch)}
            for ref, batch in zip(block.committed.refs, block.batches, strict=True)
        }
        await _replace(connection, tables.batch, "digest", batches)

    async def _events(self, connection: AsyncConnection, block: ExecutedBlock) -> None:
        header = block.header
        bodies = {transaction_hash(raw).hex(): raw for batch in block.batches for raw in _readable(batch)}
        columns = ("height", "n", "subject", "cause_transaction", "time_ms", "receipt", "body")
        rows = [
            (
                header.height,
                receipt.index,
                receipt.subject,
                bytes.fromhex(receipt.transaction) or None,
                header.time_ms,
                encode_receipt(receipt),
                bodies.get(receipt.transaction),
            )
            for receipt in block.receipts
        ]
        await copy_rows(connection, tables.event, columns, rows)

    async def _contracts(
        self, connection: AsyncConnection, height: int, state: ChainState, receipts: Sequence[Receipt]
    ) -> None:
        touched = {r.subject for r in receipts if r.code == OK and r.subject in state.contracts}
        touched |= {payout.contract for payout in _touched_payouts(state, receipts) if payout.contract}
        rows = {each: _contract_row(state.contracts[each], height) for each in sorted(touched)}
        await _replace(connection, tables.contract, "id", rows)

    async def _payouts(
        self, connection: AsyncConnection, height: int, state: ChainState, receipts: Sequence[Receipt]
    ) -> None:
        rows = {
            payout.id: {
                "id": payout.id,
                "seller": payout.seller,
                "state": payout.state,
                "opened_height": height,
                "body": pack(payout),
            }
            for payout in _touched_payouts(state, receipts)
        }
        await _replace(connection, tables.payout, "id", rows)

    async def _quotes(
        self, connection: AsyncConnection, state: ChainState, receipts: Sequence[Receipt]
    ) -> None:
        touched = {r.subject for r in receipts if r.code == OK and r.subject in state.quotes}
        rows = {}
        for each in sorted(touched):
            quote = state.quotes[each]
            rows[each] = {
                "id": each,
                "seller": quote.seller,
                "state": quote.state,
                "body": pack(quote),
            }
        await _replace(connection, tables.quote, "id", rows)

    async def _balances(
        self, connection: AsyncConnection, state: ChainState, receipts: Sequence[Receipt]
    ) -> None:
        rows = [
            {"owner": owner, "code": code, "currency": currency, "minor": state.balances.get(address, 0)}
            for address in sorted(_accounts(receipts))
            for code, owner, currency in [_parts(address)]
            if owner.startswith(f"{MERCHANT}_")
        ]
        if rows:
            new = insert(tables.balance)
            key = [column.name for column in tables.balance.primary_key]
            change = new.on_conflict_do_update(index_elements=key, set_={"minor": new.excluded.minor})
            await connection.execute(change, rows)


def _contract_row(contract: Contract, height: int) -> dict[str, Any]:
    header = header_of(contract)
    return {
        "id": contract.id,
        "seller": contract.seller,
        "state": header.state,
        "outcome": header.outcome,
        "version": contract.version,
        "height": height,
        "body": pack(contract),
    }


def _readable(batch: Batch) -> list[bytes]:
    """The transactions of a batch; a batch whose payload is void has none."""
    try:
        return decode_payload(batch.payload)
    except Malformed:
        return []


def _accounts(receipts: Sequence[Receipt]) -> set[str]:
    return {posting.account for r in receipts for each in r.journals for posting in each.postings}


def _parts(address: str) -> tuple[str, str, str]:
    """Code, owner (or the currency, where there is none) and currency of an account."""
    parts = address.split("/")
    return parts[0], parts[1], parts[-1]


def _touched_payouts(state: ChainState, receipts: Sequence[Receipt]) -> list[Any]:
    named = {r.subject for r in receipts if r.code == OK}
    named |= {account.split("/")[1] for account in _accounts(receipts) if account.startswith("2300/")}
    return [state.payouts[each] for each in sorted(named) if each in state.payouts]


async def _replace(
    connection: AsyncConnection, table: Table, key: str, rows: Mapping[Any, Mapping[str, Any]]
) -> None:
    names = list(rows)
    for start in range(0, len(names), KEYS_MAX):
        part = names[start : start + KEYS_MAX]
        await connection.execute(delete(table).where(among(connection, table.c[key], part)))
        columns = list(rows[part[0]])
        await copy_rows(connection, table, columns, [tuple(rows[name].values()) for name in part])
