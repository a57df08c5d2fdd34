"""Parcels, evidence, messages and the common tables."""

import sqlalchemy as sa
from alembic import op

from sps.runtime.tables import BIG_SERIAL, create_common_tables, drop_common_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_common_tables(op)
    _parcel()
    _evidence()
    _inbound()
    _refused_sample()


def downgrade() -> None:
    for table in ("refused_sample", "inbound", "evidence", "parcel"):
        op.drop_table(table)
    drop_common_tables(op)


def _parcel() -> None:
    op.create_table(
        "parcel",
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("contract", sa.String(40), nullable=False),
        sa.Column("parcel", sa.String(40), nullable=False),
        sa.Column("carrier", sa.String(40), nullable=False),
        sa.Column("number", sa.String(40), nullable=False),
        sa.Column("country", sa.String(2), nullable=True),
        sa.Column("postcode", sa.String(12), nullable=True),
        sa.Column("salt", sa.LargeBinary(32), nullable=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("watch", sa.String(20), nullable=False),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("bookings", sa.Integer, nullable=False),
        sa.Column("booking", sa.String(64), nullable=False),
        sa.Column("subscription", sa.String(20), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("subscribe_attempts", sa.Integer, nullable=False),
        sa.Column("subscribe_due_ms", sa.BigInteger, nullable=True),
        sa.Column("poll_due_ms", sa.BigInteger, nullable=True),
        sa.Column("silent_polls", sa.Integer, nullable=False),
        sa.Column("poll_troubles", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tag", name="pk_parcel"),
        sa.UniqueConstraint("carrier", "number", name="uq_parcel_carrier_number"),
    )
    op.create_index("ix_parcel_contract_parcel_created_ms", "parcel", ["contract", "parcel", "created_ms"])
    op.create_index("ix_parcel_booking", "parcel", ["booking"])
    op.create_index("ix_parcel_carrier_subscribe_due_ms", "parcel", ["carrier", "subscribe_due_ms"])
    op.create_index("ix_parcel_carrier_poll_due_ms", "parcel", ["carrier", "poll_due_ms"])


def _evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("occurred_ms", sa.BigInteger, nullable=False),
        sa.Column("origin", sa.String(10), nullable=False),
        sa.Column("ship_to", sa.String(64), nullable=True),
        sa.Column("document", sa.String(64), nullable=True),
        sa.Column("handover", sa.String(20), nullable=False),
        sa.Column("raw", sa.String(64), nullable=False),
        sa.Column("given_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
    )
    op.create_index("ix_evidence_tag", "evidence", ["tag"])


def _inbound() -> None:
    op.create_table(
        "inbound",
        sa.Column("position", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("carrier", sa.String(40), nullable=False),
        sa.Column("dedupe_key", sa.String(128), nullable=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("handled_ms", sa.BigInteger, nullable=True),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_inbound"),
        sa.UniqueConstraint("carrier", "dedupe_key", name="uq_inbound_carrier_dedupe_key"),
        sa.CheckConstraint("verdict IN ('pushed', 'pulled', 'signed')", name=op.f("ck_inbound_verdict")),
    )
    op.create_index("ix_inbound_carrier_due_ms_position", "inbound", ["carrier", "due_ms", "position"])
    op.create_index("ix_inbound_sha256", "inbound", ["sha256"])


def _refused_sample() -> None:
    op.create_table(
        "refused_sample",
        sa.Column("position", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("carrier", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes_received", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_refused_sample"),
    )
