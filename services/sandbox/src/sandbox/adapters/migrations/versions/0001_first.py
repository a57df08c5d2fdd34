"""All tables of the sandbox."""

import sqlalchemy as sa
from alembic import op

from sps.runtime.tables import BIG_SERIAL

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _parcel()
    _scan()
    _subscription()
    _tracker()
    _payment()
    _movement()
    _account()
    _entry()
    _delivery()
    _stored()
    _mischief()


def downgrade() -> None:
    for table in (
        "mischief",
        "stored",
        "delivery",
        "entry",
        "account",
        "movement",
        "payment",
        "tracker",
        "subscription",
        "scan",
        "parcel",
    ):
        op.drop_table(table)


def _parcel() -> None:
    op.create_table(
        "parcel",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("carrier", sa.String(100), nullable=False),
        sa.Column("number", sa.String(100), nullable=False),
        sa.Column("country", sa.String(100), nullable=False),
        sa.Column("postcode", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parcel"),
        sa.UniqueConstraint("carrier", "number", name="uq_parcel_carrier_number"),
    )


def _scan() -> None:
    op.create_table(
        "scan",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("carrier", sa.String(100), nullable=False),
        sa.Column("number", sa.String(100), nullable=False),
        sa.Column("status", sa.String(100), nullable=False),
        sa.Column("occurred_ms", sa.BigInteger, nullable=False),
        sa.Column("signed_by", sa.String(100), nullable=False),
        sa.Column("postcode", sa.String(100), nullable=False),
        sa.Column("handover", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scan"),
    )
    op.create_index("ix_scan_carrier_number", "scan", ["carrier", "number"])


def _subscription() -> None:
    op.create_table(
        "subscription",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("number", sa.String(100), nullable=False),
        sa.Column("uri", sa.String(2000), nullable=False),
        sa.Column("header", sa.String(100), nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("state", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
        sa.UniqueConstraint("reference", name="uq_subscription_reference"),
    )
    op.create_index("ix_subscription_number_state", "subscription", ["number", "state"])


def _tracker() -> None:
    op.create_table(
        "tracker",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("number", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tracker"),
        sa.UniqueConstraint("reference", name="uq_tracker_reference"),
        sa.UniqueConstraint("number", name="uq_tracker_number"),
    )


def _payment() -> None:
    op.create_table(
        "payment",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("our_id", sa.String(100), nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("session", sa.String(100), nullable=False),
        sa.Column("minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(100), nullable=False),
        sa.Column("state", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("received_minor", sa.BigInteger, nullable=False),
        sa.Column("received_currency", sa.String(100), nullable=False),
        sa.Column("fee", sa.BigInteger, nullable=False),
        sa.Column("refunded", sa.BigInteger, nullable=False),
        sa.Column("paid_ms", sa.BigInteger, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("notify_url", sa.Text, nullable=False),
        sa.Column("return_url", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payment"),
    )
    op.create_index("ix_payment_our_id", "payment", ["our_id"])
    op.create_index("ix_payment_session", "payment", ["session"])
    op.create_index("ix_payment_reference", "payment", ["reference"])


def _movement() -> None:
    op.create_table(
        "movement",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("our_id", sa.String(100), nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(100), nullable=False),
        sa.Column("state", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("path", sa.String(100), nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("payment", sa.String(100), nullable=False),
        sa.Column("destination", sa.String(100), nullable=False),
        sa.Column("grouping", sa.String(100), nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("settled_ms", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_movement"),
    )
    op.create_index("ix_movement_our_id", "movement", ["our_id"])
    op.create_index("ix_movement_reference", "movement", ["reference"])
    op.create_index("ix_movement_due_ms", "movement", ["due_ms"])
    op.create_index("ix_movement_payment", "movement", ["payment"])
    op.create_index("ix_movement_grouping", "movement", ["grouping"])


def _account() -> None:
    op.create_table(
        "account",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("currency", sa.String(100), nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("provider", "currency", name="uq_account_provider_currency"),
    )


def _entry() -> None:
    op.create_table(
        "entry",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("currency", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("minor", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entry"),
    )
    op.create_index("ix_entry_provider_currency_kind", "entry", ["provider", "currency", "kind"])


def _delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("signing", sa.String(100), nullable=False),
        sa.Column("wants", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("state", sa.String(100), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
    )
    op.create_index("ix_delivery_state_due_ms", "delivery", ["state", "due_ms"])


def _stored() -> None:
    op.create_table(
        "stored",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(100), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stored"),
        sa.UniqueConstraint("key", name="uq_stored_key"),
    )


def _mischief() -> None:
    op.create_table(
        "mischief",
        sa.Column("id", BIG_SERIAL, autoincrement=True, nullable=False),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("repeat", sa.Integer, nullable=False),
        sa.Column("shuffle", sa.Boolean, nullable=False),
        sa.Column("drop_answers", sa.Integer, nullable=False),
        sa.Column("fail_payouts", sa.Integer, nullable=False),
        sa.Column("return_payouts", sa.Integer, nullable=False),
        sa.Column("delay_ms", sa.Integer, nullable=False),
        sa.Column("silent", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mischief"),
        sa.UniqueConstraint("provider", name="uq_mischief_provider"),
    )
