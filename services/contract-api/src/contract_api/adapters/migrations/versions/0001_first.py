"""Merchants, private data, requests and the read models."""

import sqlalchemy as sa
from alembic import op

from sps.runtime.tables import create_common_tables, drop_common_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_common_tables(op)
    _blocks()
    _folded()
    _people()
    _requests()


def _blocks() -> None:
    op.create_table(
        "block",
        sa.Column("height", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("executed_height", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("receipts", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("height", name=op.f("pk_block")),
    )
    op.create_index(op.f("ix_block_executed_height"), "block", ["executed_height"], unique=False)
    op.create_table(
        "batch",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_batch")),
    )
    op.create_index(op.f("ix_batch_height"), "batch", ["height"], unique=False)


def _folded() -> None:
    op.create_table(
        "contract",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("seller", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract")),
    )
    op.create_table(
        "event",
        sa.Column("height", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("cause_transaction", sa.LargeBinary(length=32), nullable=True),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("height", "n", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_cause_transaction"), "event", ["cause_transaction"], unique=False)
    op.create_index(op.f("ix_event_subject_height_n"), "event", ["subject", "height", "n"], unique=False)
    op.create_table(
        "payout",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("seller", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("opened_height", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout")),
    )
    op.create_index(
        op.f("ix_payout_seller_opened_height"), "payout", ["seller", "opened_height"], unique=False
    )
    op.create_table(
        "quote",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("seller", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quote")),
    )
    op.create_table(
        "balance",
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=4), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "code", "currency", name=op.f("pk_balance")),
    )


def _people() -> None:
    op.create_table(
        "merchant",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchant")),
    )
    op.create_table(
        "secret",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("merchant", sa.String(length=40), nullable=True),
        sa.Column("contract", sa.String(length=40), nullable=True),
        sa.Column("last4", sa.String(length=4), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["merchant"], ["merchant.id"], name=op.f("fk_secret_merchant_merchant")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_secret")),
    )
    op.create_table(
        "beneficiary",
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("merchant", sa.String(length=40), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column("hint", sa.String(length=40), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant"], ["merchant.id"], name=op.f("fk_beneficiary_merchant_merchant")),
        sa.PrimaryKeyConstraint("commitment", name=op.f("pk_beneficiary")),
    )


def _requests() -> None:
    op.create_table(
        "private_data",
        sa.Column("contract", sa.String(length=40), nullable=False),
        sa.Column("merchant", sa.String(length=40), nullable=False),
        sa.Column("buyer_token", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("ship_to", sa.Text(), nullable=True),
        sa.Column("salt_goods", sa.LargeBinary(length=32), nullable=True),
        sa.Column("salt_ship_to", sa.LargeBinary(length=32), nullable=True),
        sa.Column("salt_address", sa.LargeBinary(length=32), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant"], ["merchant.id"], name=op.f("fk_private_data_merchant_merchant")
        ),
        sa.PrimaryKeyConstraint("contract", name=op.f("pk_private_data")),
    )
    op.create_index(
        op.f("ix_private_data_merchant_created_ms_contract"),
        "private_data",
        ["merchant", "created_ms", "contract"],
        unique=False,
    )
    op.create_table(
        "request",
        sa.Column("account", sa.String(length=48), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=80), nullable=False),
        sa.Column("cause_transaction", sa.LargeBinary(length=32), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "key", name=op.f("pk_request")),
    )


def downgrade() -> None:
    for table in (
        "secret",
        "private_data",
        "beneficiary",
        "request",
        "quote",
        "payout",
        "merchant",
        "event",
        "contract",
        "block",
        "batch",
        "balance",
    ):
        op.drop_table(table)
    drop_common_tables(op)
