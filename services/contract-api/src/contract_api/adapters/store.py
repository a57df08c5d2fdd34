"""The store over SQLAlchemy: one `Work` is one database transaction.

SQLite reads PostgreSQL's ON CONFLICT as it is, so one statement serves both.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contract_api.adapters import tables
from contract_api.adapters.folded import FoldedReading
from contract_api.adapters.ordering import bytewise
from contract_api.application.idempotent import RESERVED
from contract_api.application.ports import (
    BeneficiaryRow,
    Principal,
    PrivateData,
    SecretKind,
    StoredRequest,
)
from contract_api.core.drafting import Salts, ShipTo
from sps.runtime.database import Database
from sps.runtime.outbox import TransactionOutbox
from sps.transactions.vocabulary import Transaction

SHIP_TO: Final = msgspec.json.Decoder(ShipTo)


class SqlStore:
    """Opens work on one database."""

    def __init__(self, database: Database, outbox: TransactionOutbox) -> None:
        self._database = database
        self._outbox = outbox

    @asynccontextmanager
    async def writing(self) -> AsyncIterator["SqlWork"]:
        async with self._database.transaction() as connection:
            yield SqlWork(connection, self._outbox)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["SqlWork"]:
        async with self._database.reading() as connection:
            yield SqlWork(connection, self._outbox)


class SqlWork(FoldedReading):
    """Statements within one transaction."""

    def __init__(self, connection: AsyncConnection, outbox: TransactionOutbox) -> None:
        super().__init__(connection)
        self._outbox = outbox

    # --- merchants and secrets ----------------------------------------------------------------

    async def add_merchant(self, merchant: str, name: str, now_ms: int) -> None:
        await self._insert(tables.merchant, id=merchant, name=name, created_ms=now_ms)

    async def merchant_name(self, merchant: str) -> str | None:
        row = await self._one(select(tables.merchant.c.name).where(tables.merchant.c.id == merchant))
        return str(row.name) if row else None

    async def add_secret(
        self,
        digest: str,
        kind: SecretKind,
        principal: Principal,
        last4: str,
        now_ms: int,
        expires_ms: int | None,
    ) -> None:
        await self._insert(
            tables.secret,
            digest=digest,
            kind=kind,
            merchant=principal.merchant or None,
            contract=principal.contract or None,
            last4=last4,
            created_ms=now_ms,
            expires_ms=expires_ms,
        )

    async def principal_of(self, digest: str, kind: SecretKind, now_ms: int) -> Principal | None:
        secret = tables.secret.c
        row = await self._one(
            select(secret.merchant, secret.contract).where(
                secret.digest == digest,
                secret.kind == kind,
                secret.revoked_ms.is_(None),
                or_(secret.expires_ms.is_(None), secret.expires_ms > now_ms),
            )
        )
        return Principal(row.merchant or "", row.contract or "") if row else None

    async def revoke_secret(self, digest: str, now_ms: int) -> None:
        secret = tables.secret
        await self._connection.execute(
            update(secret).where(secret.c.digest == digest).values(revoked_ms=now_ms)
        )

    # --- private data -------------------------------------------------------------------------

    async def add_private_data(self, data: PrivateData) -> None:
        salts = data.salts
        await self._insert(
            tables.private_data,
            contract=data.contract,
            merchant=data.merchant,
            buyer_token=data.buyer_token,
            description=data.description,
            ship_to=msgspec.json.encode(data.ship_to).decode() if data.ship_to else None,
            salt_goods=salts.goods if salts else None,
            salt_ship_to=salts.ship_to if salts else None,
            salt_address=salts.address if salts else None,
            created_ms=data.created_ms,
        )

    async def private_data(self, contract: str) -> PrivateData | None:
        row = await self._one(select(tables.private_data).where(tables.private_data.c.contract == contract))
        return _private(row) if row else None

    async def contracts_of(
        self, merchant: str, before: tuple[int, str] | None, limit: int
    ) -> list[PrivateData]:
        mine = tables.private_data.c
        query = select(tables.private_data).where(mine.merchant == merchant)
        name = bytewise(mine.contract)
        if before is not None:
            older = and_(mine.created_ms == before[0], name < before[1])
            query = query.where(or_(mine.created_ms < before[0], older))
        query = query.order_by(mine.created_ms.desc(), name.desc()).limit(limit)
        return [_private(row) for row in await self._connection.execute(query)]

    # --- requests -----------------------------------------------------------------------------

    async def claim_request(self, account: str, key: str, row: StoredRequest) -> bool:
        wish = insert(tables.request).values(
            account=account,
            key=key,
            fingerprint=row.fingerprint,
            resource=row.resource,
            cause_transaction=row.transaction,
            created_ms=row.created_ms,
        )
        known, new = tables.request.c, wish.excluded
        named = {name: new[name] for name in ("resource", "cause_transaction", "created_ms")}
        reserved = and_(known.resource == RESERVED, known.fingerprint == new.fingerprint)
        # The second writer of a key waits here for the end of the first one's transaction.
        done = await self._connection.execute(
            wish.on_conflict_do_update(
                index_elements=[known.account, known.key],
                set_=named,
                where=and_(reserved, new.resource != RESERVED),
            )
        )
        return bool(done.rowcount)

    async def release_request(self, account: str, key: str, fingerprint: str, *, forget: bool) -> None:
        known = tables.request.c
        mine = (known.account == account, known.key == key, known.fingerprint == fingerprint)
        change = delete(tables.request) if forget else update(tables.request).values(created_ms=0)
        await self._connection.execute(change.where(*mine, known.resource == RESERVED))

    async def request(self, account: str, key: str) -> StoredRequest | None:
        known = tables.request.c
        row = await self._one(select(tables.request).where(known.account == account, known.key == key))
        if row is None:
            return None
        return StoredRequest(
            row.fingerprint, row.resource, row.cause_transaction, row.status, row.body, row.created_ms
        )

    async def answer_request(self, account: str, key: str, status: int, body: bytes) -> bool:
        known = tables.request.c
        done = await self._connection.execute(
            update(tables.request)
            .where(known.account == account, known.key == key, known.status.is_(None))
            .values(status=status, body=body)
        )
        return bool(done.rowcount)

    async def submit(self, *transactions: Transaction) -> None:
        await self._outbox.add(self._connection, *transactions)

    # --- beneficiaries ------------------------------------------------------------------------

    async def add_beneficiary(self, merchant: str, row: BeneficiaryRow, now_ms: int) -> None:
        await self._insert(
            tables.beneficiary,
            commitment=row.commitment,
            merchant=merchant,
            provider=row.provider,
            hint=row.hint,
            created_ms=now_ms,
        )

    async def beneficiaries_of(self, merchant: str) -> list[BeneficiaryRow]:
        mine = tables.beneficiary.c
        query = select(mine.commitment, mine.provider, mine.hint).where(mine.merchant == merchant)
        return [
            BeneficiaryRow(*row) for row in await self._connection.execute(query.order_by(mine.created_ms))
        ]

    async def _insert(self, table: Any, **values: Any) -> None:
        await self._connection.execute(insert(table).values(**values))


def _private(row: Any) -> PrivateData:
    salts = Salts(row.salt_goods, row.salt_ship_to, row.salt_address) if row.salt_goods is not None else None
    return PrivateData(
        row.contract,
        row.merchant,
        row.buyer_token,
        row.description,
        SHIP_TO.decode(row.ship_to) if row.ship_to else None,
        salts,
        row.created_ms,
    )
