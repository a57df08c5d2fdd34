"""The first tables of the payment gateway."""

import sqlalchemy as sa
from alembic import op

from sps.runtime.tables import BIG_SERIAL, create_common_tables, drop_common_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_common_tables(op)
    _payments()
    _callbacks()
    _orders()


def downgrade() -> None:
    for table in (
        "refused_order",
        "order_offset",
        "chain_order",
        "outgoing_attempt",
        "outgoing",
        "callback",
        "beneficiary",
        "payment_hint",
        "arrival",
        "payment",
    ):
        op.drop_table(table)
    drop_common_tables(op)


def _payments() -> None:
    op.create_table(
        "payment",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("contract", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("minor", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(128), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("open_key", sa.String(160), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_payment"),
        sa.UniqueConstraint("open_key", name="uq_payment_open_key"),
    )
    op.create_index("ix_payment_due_ms", "payment", ["due_ms"])
    op.create_table(
        "arrival",
        sa.Column("payment", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(128), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("minor", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("fee_open", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("payment", "reference", name="pk_arrival"),
    )
    op.create_table(
        "payment_hint",
        sa.Column("payment", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("payment", "reference", name="pk_payment_hint"),
    )
    op.create_table(
        "beneficiary",
        sa.Column("commitment", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("account", sa.String(128), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("commitment", name="pk_beneficiary"),
    )


def _callbacks() -> None:
    op.create_table(
        "callback",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("event_key", sa.String(128), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_callback"),
        sa.UniqueConstraint("provider", "event_key", name="uq_callback_provider_event_key"),
    )
    op.create_index("ix_callback_verdict_id", "callback", ["verdict", "id"])


def _orders() -> None:
    op.create_table(
        "outgoing",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("minor", sa.BigInteger, nullable=False),
        sa.Column("beneficiary", sa.String(64), nullable=False),
        sa.Column("payment", sa.String(40), nullable=False),
        sa.Column("contract", sa.String(40), nullable=False),
        sa.Column("ordered_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("first_sent_ms", sa.BigInteger, nullable=False),
        sa.Column("last_sent_ms", sa.BigInteger, nullable=False),
        sa.Column("open_since_ms", sa.BigInteger, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("reference", sa.String(128), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing"),
    )
    op.create_index("ix_outgoing_due_ms", "outgoing", ["due_ms"])
    op.create_table(
        "outgoing_attempt",
        sa.Column("order_id", sa.String(40), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("request_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("sent_ms", sa.BigInteger, nullable=False),
        sa.Column("result", sa.String(16), nullable=True),
        sa.Column("answered_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("order_id", "n", name="pk_outgoing_attempt"),
    )
    op.create_table(
        "chain_order",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("block_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chain_order"),
    )
    op.create_table(
        "order_offset",
        sa.Column("log_partition", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("log_partition", name="pk_order_offset"),
    )
    op.create_table(
        "refused_order",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("log_partition", sa.Integer, nullable=False),
        sa.Column("log_offset", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("refused_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refused_order"),
    )
