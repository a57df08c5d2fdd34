"""contract-api's tables: merchants and their secrets, private data, read models folded from blocks.

Personal data stands only in `private_data`; everything below `contract` can be rebuilt from the chain.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from sps.runtime.tables import service_metadata

METADATA: Final = service_metadata()

merchant: Final = Table(
    "merchant",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

secret: Final = Table(
    "secret",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(12), nullable=False),
    Column("merchant", String(40), ForeignKey("merchant.id"), nullable=True),
    Column("contract", String(40), nullable=True),
    Column("last4", String(4), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=True),
    Column("revoked_ms", BigInteger, nullable=True),
)

private_data: Final = Table(
    "private_data",
    METADATA,
    Column("contract", String(40), primary_key=True),
    Column("merchant", String(40), ForeignKey("merchant.id"), nullable=False),
    Column("buyer_token", String(64), nullable=False),
    Column("description", Text, nullable=True),
    Column("ship_to", Text, nullable=True),
    Column("salt_goods", LargeBinary(32), nullable=True),
    Column("salt_ship_to", LargeBinary(32), nullable=True),
    Column("salt_address", LargeBinary(32), nullable=True),
    Column("created_ms", BigInteger, nullable=False),
    Index(None, "merchant", "created_ms", "contract"),
)

request: Final = Table(
    "request",
    METADATA,
    Column("account", String(48), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("resource", String(80), nullable=False),
    Column("cause_transaction", LargeBinary(32), nullable=True),
    Column("status", Integer, nullable=True),
    Column("body", LargeBinary, nullable=True),
    Column("created_ms", BigInteger, nullable=False),
)

beneficiary: Final = Table(
    "beneficiary",
    METADATA,
    Column("commitment", String(64), primary_key=True),
    Column("merchant", String(40), ForeignKey("merchant.id"), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("hint", String(40), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

contract: Final = Table(
    "contract",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("seller", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

event: Final = Table(
    "event",
    METADATA,
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("subject", String(64), nullable=False),
    Column("cause_transaction", LargeBinary(32), nullable=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("receipt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=True),
    Index(None, "subject", "height", "n"),
    Index(None, "cause_transaction"),
)

payout: Final = Table(
    "payout",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("seller", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("opened_height", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "seller", "opened_height"),
)

quote: Final = Table(
    "quote",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("seller", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

balance: Final = Table(
    "balance",
    METADATA,
    Column("owner", String(40), primary_key=True),
    Column("code", String(4), primary_key=True),
    Column("currency", String(3), primary_key=True),
    Column("minor", BigInteger, nullable=False),
)

block: Final = Table(
    "block",
    METADATA,
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("executed_height", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("receipts", LargeBinary, nullable=True),
    Index(None, "executed_height"),
)

batch: Final = Table(
    "batch",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("height", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Index(None, "height"),
)
