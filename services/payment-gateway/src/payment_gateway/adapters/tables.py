"""The tables of the payment gateway. Times in Unix milliseconds, amounts in minor units."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from sps.runtime.tables import BIG_SERIAL, service_metadata

metadata: Final = service_metadata()

payment: Final = Table(
    "payment",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("contract", String(40), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("minor", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reference", String(128), nullable=False),
    Column("url", Text, nullable=False),
    Column("looks", Integer, nullable=False),
    # Rises with every claim: what an older look found out is void.
    Column("fence", BigInteger, nullable=False, server_default="0"),
    # Contract, provider and amount while it is open, otherwise null: at most one is open.
    Column("open_key", String(160), nullable=True, unique=True),
    Index(None, "due_ms"),
)

arrival: Final = Table(
    "arrival",
    metadata,
    Column("payment", String(40), nullable=False),
    Column("reference", String(128), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("minor", BigInteger, nullable=False),
    # The payment's name on the chain: its own, or one derived for a second arrival.
    Column("name", String(40), nullable=False),
    Column("fee_open", Boolean, nullable=False),
    PrimaryKeyConstraint("payment", "reference"),
)

payment_hint: Final = Table(
    "payment_hint",
    metadata,
    Column("payment", String(40), nullable=False),
    Column("reference", String(128), nullable=False),
    PrimaryKeyConstraint("payment", "reference"),
)

beneficiary: Final = Table(
    "beneficiary",
    metadata,
    Column("commitment", String(64), primary_key=True),
    Column("provider", String(40), nullable=False),
    Column("account", String(128), nullable=False),
    Column("name", String(128), nullable=False),
    Column("salt", LargeBinary(32), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

callback: Final = Table(
    "callback",
    metadata,
    Column("id", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("provider", String(40), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # received, done, repeat, unknown or refused
    Column("verdict", String(16), nullable=False),
    Column("code", String(40), nullable=False),
    # The provider's own number of the event, once it was handled.
    Column("event_key", String(128), nullable=True),
    UniqueConstraint("provider", "event_key"),
    Index(None, "verdict", "id"),
)

outgoing: Final = Table(
    "outgoing",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("minor", BigInteger, nullable=False),
    Column("beneficiary", String(64), nullable=False),
    Column("payment", String(40), nullable=False),
    Column("contract", String(40), nullable=False),
    Column("ordered_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("first_sent_ms", BigInteger, nullable=False),
    Column("last_sent_ms", BigInteger, nullable=False),
    Column("open_since_ms", BigInteger, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("reference", String(128), nullable=False),
    Column("reason", String(40), nullable=False),
    Index(None, "due_ms"),
)

outgoing_attempt: Final = Table(
    "outgoing_attempt",
    metadata,
    Column("order_id", String(40), nullable=False),
    Column("n", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("request_hash", LargeBinary(32), nullable=False),
    Column("sent_ms", BigInteger, nullable=False),
    Column("result", String(16), nullable=True),
    Column("answered_ms", BigInteger, nullable=True),
    PrimaryKeyConstraint("order_id", "n"),
)

chain_order: Final = Table(
    "chain_order",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("height", BigInteger, nullable=False),
    Column("block_ms", BigInteger, nullable=False),
)

order_offset: Final = Table(
    "order_offset",
    metadata,
    Column("log_partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)

refused_order: Final = Table(
    "refused_order",
    metadata,
    Column("id", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("log_partition", Integer, nullable=False),
    Column("log_offset", BigInteger, nullable=False),
    Column("code", String(40), nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("refused_ms", BigInteger, nullable=False),
)
