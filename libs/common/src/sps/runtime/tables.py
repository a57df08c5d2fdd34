"""The three tables that every service has, and the naming convention of all its tables.

`block_cursor`: how far the chain is projected, by whom. `outbox_transaction`: facts to be sent, unique for
ever by their id. `outbox_batch`: our own signed chain of batches, byte for byte until a block confirms them.
"""

from typing import Any, Final

from sqlalchemy import VARCHAR, BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy.types import TypeEngine

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that every migration can name it."""

BIG_SERIAL: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit number given by the database (SQLite counts only a column that is exactly INTEGER)."""


def bytewise_text(length: int) -> TypeEngine[str]:
    """Names that are ordered byte by byte on every database, whatever a database's own alphabet is."""
    return String(length).with_variant(VARCHAR(length, collation="C"), "postgresql")


_common: Final = MetaData(naming_convention=NAMING)

block_cursor: Final = Table(
    "block_cursor",
    _common,
    Column("stream", String(64), primary_key=True),
    Column("chain_id", LargeBinary(32), nullable=False),
    Column("owner_epoch", BigInteger, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("block_id", LargeBinary(32), nullable=False),
    Column("app_hash", LargeBinary(32), nullable=False),
)

outbox_transaction: Final = Table(
    "outbox_transaction",
    _common,
    Column("position", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("hash", LargeBinary(32), nullable=False),
    Column("body", LargeBinary, nullable=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("batch_seq", BigInteger, nullable=True),
    Index(None, "batch_seq", "position"),
)

outbox_batch: Final = Table(
    "outbox_batch",
    _common,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("record", LargeBinary, nullable=True),
    Column("sealed_ms", BigInteger, nullable=False),
    Column("confirmed_height", BigInteger, nullable=True),
    Index(None, "confirmed_height", "seq"),
)

COMMON_TABLES: Final = (block_cursor, outbox_transaction, outbox_batch)


def service_metadata() -> MetaData:
    """A service's MetaData: the naming convention and the common tables."""
    metadata = MetaData(naming_convention=NAMING)
    add_common_tables(metadata)
    return metadata


def add_common_tables(metadata: MetaData) -> None:
    """Put copies of the common tables into a service's MetaData, so that its autogenerate knows them."""
    for table in COMMON_TABLES:
        table.to_metadata(metadata)


def create_common_tables(operations: Any) -> None:
    """For a service's first migration: `create_common_tables(op)`."""
    _common.create_all(operations.get_bind(), tables=COMMON_TABLES, checkfirst=False)


def drop_common_tables(operations: Any) -> None:
    """The way back of `create_common_tables`."""
    _common.drop_all(operations.get_bind(), tables=COMMON_TABLES, checkfirst=False)
