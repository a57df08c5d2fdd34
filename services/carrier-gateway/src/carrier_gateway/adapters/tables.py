"""The tables of the gateway. What is personal (number, place, salt, bodies) stays here, off the chain."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from sps.runtime.tables import BIG_SERIAL, service_metadata

HEX: Final = 64

metadata: Final = service_metadata()

parcel: Final = Table(
    "parcel",
    metadata,
    Column("tag", String(HEX), primary_key=True),
    Column("contract", String(40), nullable=False),
    Column("parcel", String(40), nullable=False),
    Column("carrier", String(40), nullable=False),
    Column("number", String(40), nullable=False),
    Column("country", String(2), nullable=True),
    Column("postcode", String(12), nullable=True),
    Column("salt", LargeBinary(32), nullable=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("watch", String(20), nullable=False),
    Column("code", String(80), nullable=False),
    Column("message", Text, nullable=False),
    Column("bookings", Integer, nullable=False),
    Column("booking", String(HEX), nullable=False),
    Column("subscription", String(20), nullable=False),
    Column("reference", String(200), nullable=False),
    Column("subscribe_attempts", Integer, nullable=False),
    Column("subscribe_due_ms", BigInteger, nullable=True),
    Column("poll_due_ms", BigInteger, nullable=True),
    Column("silent_polls", Integer, nullable=False),
    Column("poll_troubles", Integer, nullable=False),
    Unique("carrier", "number"),
    Index(None, "contract", "parcel", "created_ms"),
    Index(None, "booking"),
    Index(None, "carrier", "subscribe_due_ms"),
    Index(None, "carrier", "poll_due_ms"),
)

evidence: Final = Table(
    "evidence",
    metadata,
    Column("id", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("tag", String(HEX), nullable=False),
    Column("status", String(20), nullable=False),
    Column("occurred_ms", BigInteger, nullable=False),
    Column("origin", String(10), nullable=False),
    Column("ship_to", String(HEX), nullable=True),
    Column("document", String(HEX), nullable=True),
    Column("handover", String(20), nullable=False),
    Column("raw", String(HEX), nullable=False),
    Column("given_ms", BigInteger, nullable=False),
    Index(None, "tag"),
)
"""Facts given to the chain. `raw` is the SHA-256 of the message, which stands in `inbound`."""

inbound: Final = Table(
    "inbound",
    metadata,
    Column("position", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("carrier", String(40), nullable=False),
    Column("dedupe_key", String(128), nullable=False),
    Column("verdict", String(10), nullable=False),
    Column("sha256", String(HEX), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("handled_ms", BigInteger, nullable=True),
    Column("outcome", String(40), nullable=False),
    Unique("carrier", "dedupe_key"),
    CheckConstraint("verdict IN ('pushed', 'pulled', 'signed')", name="verdict"),
    Index(None, "carrier", "due_ms", "position"),
    Index(None, "sha256"),
)
"""Genuine messages as they came, for ever. `due_ms` is empty once a message is handled."""

refused_sample: Final = Table(
    "refused_sample",
    metadata,
    Column("position", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("carrier", String(40), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("sha256", String(HEX), nullable=False),
    Column("bytes_received", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)
"""The newest refused messages, cut short. Never evidence."""
