"""Settlement's tables: books, rate documents, orders. Amounts are BIGINT minor units, debit positive."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from sps.ledger.journal import BALANCE_MAX
from sps.runtime.tables import BIG_SERIAL, bytewise_text, service_metadata

METADATA: Final = service_metadata()
STREAM: Final = "settlement"
"""The name of our cursor in `block_cursor`."""

book: Final = Table(
    "book",
    METADATA,
    Column("chain_id", String(64), primary_key=True),
    Column("opened_ms", BigInteger, nullable=False),
)
"""Exactly one row: the chain whose books these are."""

account: Final = Table(
    "account",
    METADATA,
    Column("address", bytewise_text(200), primary_key=True),
    Column("code", String(4), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("guard", String(8), nullable=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("opened_height", BigInteger, nullable=False),
    Column("last_height", BigInteger, nullable=False),
    CheckConstraint(
        f"debits BETWEEN 0 AND {BALANCE_MAX} AND credits BETWEEN 0 AND {BALANCE_MAX}", name="bounds"
    ),
    CheckConstraint(
        "guard = 'none' OR (guard = 'credit' AND debits <= credits)"
        " OR (guard = 'debit' AND debits >= credits)",
        name="guard",
    ),
)

journal: Final = Table(
    "journal",
    METADATA,
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(8), nullable=False),
    Column("cause", Integer, nullable=False),
    Column("subject", String(96), nullable=False),
    Column("cause_transaction", String(64), nullable=False),
    Column("reverses", String(64), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Index(None, "subject"),
)

posting: Final = Table(
    "posting",
    METADATA,
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("i", Integer, primary_key=True, autoincrement=False),
    Column("address", bytewise_text(200), ForeignKey("account.address"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    CheckConstraint("amount <> 0", name="not_zero"),
    Index(None, "address", "height"),
)

inbox: Final = Table(
    "inbox",
    METADATA,
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("cause", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("cause_transaction", String(64), nullable=False),
    Column("code", String(40), nullable=False),
)

payout_order: Final = Table(
    "payout_order",
    METADATA,
    Column("seq", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("published_ms", BigInteger, nullable=True),
    UniqueConstraint("id"),
    Index(
        "ix_payout_order_open",
        "seq",
        postgresql_where=text("published_ms IS NULL"),
        sqlite_where=text("published_ms IS NULL"),
    ),
)

rate_document: Final = Table(
    "rate_document",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("source", String(40), nullable=False),
    Column("as_of_ms", BigInteger, nullable=False),
    Column("fetched_ms", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False, server_default="1"),
    Column("submission", String(64), nullable=False, server_default=text("''")),
    Column("verdict", String(40), nullable=False, server_default=text("''")),
    Index(None, "submission"),
    Index(None, "as_of_ms"),
)

open_quote: Final = Table(
    "open_quote",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("requested_height", BigInteger, nullable=False),
    Column("snapshot", String(64), nullable=True),
)
