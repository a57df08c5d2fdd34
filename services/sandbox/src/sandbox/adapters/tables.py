"""The tables of the sandbox: one for each Struct of `core.records`, with the same names."""

from typing import Final

from msgspec import Struct
from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.schema import SchemaItem

from sandbox.core import records
from sps.runtime.tables import BIG_SERIAL, NAMING

NAME: Final = 100
URL: Final = 2_000

metadata: Final = MetaData(naming_convention=NAMING)


def _table(name: str, *items: SchemaItem) -> Table:
    return Table(name, metadata, Column("id", BIG_SERIAL, primary_key=True, autoincrement=True), *items)


def _name(column: str, length: int = NAME) -> Column[str]:
    return Column(column, String(length), nullable=False)


def _number(column: str) -> Column[int]:
    return Column(column, BigInteger, nullable=False)


parcel: Final = _table(
    "parcel",
    _name("carrier"),
    _name("number"),
    _name("country"),
    _name("postcode"),
    _number("created_ms"),
    Unique("carrier", "number"),
)

scan: Final = _table(
    "scan",
    _name("carrier"),
    _name("number"),
    _name("status"),
    _number("occurred_ms"),
    _name("signed_by"),
    _name("postcode"),
    _name("handover"),
    Index(None, "carrier", "number"),
)

subscription: Final = _table(
    "subscription",
    _name("reference"),
    _name("number"),
    _name("uri", URL),
    _name("header"),
    Column("token", Text, nullable=False),
    _name("secret"),
    _name("state"),
    _number("created_ms"),
    Unique("reference"),
    Index(None, "number", "state"),
)

tracker: Final = _table(
    "tracker",
    _name("reference"),
    _name("number"),
    _number("created_ms"),
    Unique("reference"),
    Unique("number"),
)

payment: Final = _table(
    "payment",
    _name("provider"),
    _name("our_id"),
    _name("reference"),
    _name("session"),
    _number("minor"),
    _name("currency"),
    _name("state"),
    _number("created_ms"),
    _number("expires_ms"),
    _number("received_minor"),
    _name("received_currency"),
    _number("fee"),
    _number("refunded"),
    _number("paid_ms"),
    Column("repeats", Integer, nullable=False),
    Column("notify_url", Text, nullable=False),
    Column("return_url", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Index(None, "our_id"),
    Index(None, "session"),
    Index(None, "reference"),
)

movement: Final = _table(
    "movement",
    _name("provider"),
    _name("kind"),
    _name("our_id"),
    _name("reference"),
    _number("minor"),
    _name("currency"),
    _name("state"),
    _number("created_ms"),
    _name("path"),
    _number("due_ms"),
    _name("payment"),
    _name("destination"),
    _name("grouping"),
    Column("repeats", Integer, nullable=False),
    _number("settled_ms"),
    Column("facts", JSON, nullable=False),
    Index(None, "our_id"),
    Index(None, "reference"),
    Index(None, "due_ms"),
    Index(None, "payment"),
    Index(None, "grouping"),
)

account: Final = _table(
    "account", _name("provider"), _name("currency"), _number("balance"), Unique("provider", "currency")
)

entry: Final = _table(
    "entry",
    _name("provider"),
    _name("currency"),
    _name("kind"),
    _number("minor"),
    _name("subject"),
    _number("created_ms"),
    Index(None, "provider", "currency", "kind"),
)

delivery: Final = _table(
    "delivery",
    _name("provider"),
    _name("kind"),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    _number("created_ms"),
    _number("due_ms"),
    Column("headers", JSON, nullable=False),
    _name("signing"),
    _name("wants"),
    _name("subject"),
    _name("state"),
    Column("attempts", Integer, nullable=False),
    Column("last", Text, nullable=False),
    Index(None, "state", "due_ms"),
)

stored: Final = _table(
    "stored",
    Column("key", String(255), nullable=False),
    _name("fingerprint"),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    _name("subject"),
    _number("created_ms"),
    Unique("key"),
)

mischief: Final = _table(
    "mischief",
    _name("provider"),
    Column("repeat", Integer, nullable=False),
    Column("shuffle", Boolean, nullable=False),
    Column("drop_answers", Integer, nullable=False),
    Column("fail_payouts", Integer, nullable=False),
    Column("return_payouts", Integer, nullable=False),
    Column("delay_ms", Integer, nullable=False),
    Column("silent", Boolean, nullable=False),
    Unique("provider"),
)

TABLES: Final[dict[type[Struct], Table]] = {
    records.Parcel: parcel,
    records.Scan: scan,
    records.Subscription: subscription,
    records.Tracker: tracker,
    records.Payment: payment,
    records.Movement: movement,
    records.Account: account,
    records.Entry: entry,
    records.Delivery: delivery,
    records.Stored: stored,
    records.Mischief: mischief,
}
