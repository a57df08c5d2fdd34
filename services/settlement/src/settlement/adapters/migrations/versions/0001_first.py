"""The books, rate documents and orders."""

import sqlalchemy as sa
from alembic import op

from sps.runtime.tables import bytewise_text, create_common_tables, drop_common_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_common_tables(op)
    _create_accounts()
    _create_entries()
    _create_registers()


def _create_accounts() -> None:
    op.create_table(
        "account",
        sa.Column("address", bytewise_text(200), nullable=False),
        sa.Column("code", sa.String(length=4), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("guard", sa.String(length=8), nullable=False),
        sa.Column("debits", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("opened_height", sa.BigInteger(), nullable=False),
        sa.Column("last_height", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "guard = 'none' OR (guard = 'credit' AND debits <= credits) OR (guard = 'debit' AND debits >= credits)",
            name=op.f("ck_account_guard"),
        ),
        sa.CheckConstraint(
            "debits BETWEEN 0 AND 4611686018427387904 AND credits BETWEEN 0 AND 4611686018427387904",
            name=op.f("ck_account_bounds"),
        ),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_account")),
    )


def _create_entries() -> None:
    op.create_table(
        "inbox",
        sa.Column("height", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cause", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("cause_transaction", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("height", "cause", name=op.f("pk_inbox")),
    )
    op.create_table(
        "journal",
        sa.Column("height", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("cause_transaction", sa.String(length=64), nullable=False),
        sa.Column("reverses", sa.String(length=64), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("height", "n", name=op.f("pk_journal")),
    )
    op.create_index(op.f("ix_journal_subject"), "journal", ["subject"], unique=False)
    op.create_table(
        "posting",
        sa.Column("height", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("i", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", bytewise_text(200), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_posting_not_zero")),
        sa.ForeignKeyConstraint(["address"], ["account.address"], name=op.f("fk_posting_address_account")),
        sa.PrimaryKeyConstraint("height", "n", "i", name=op.f("pk_posting")),
    )
    op.create_index(op.f("ix_posting_address_height"), "posting", ["address", "height"], unique=False)


def _create_registers() -> None:
    op.create_table(
        "payout_order",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("published_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_payout_order")),
        sa.UniqueConstraint("id", name=op.f("uq_payout_order_id")),
    )
    op.create_table(
        "rate_document",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("as_of_ms", sa.BigInteger(), nullable=False),
        sa.Column("fetched_ms", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_rate_document")),
    )


def downgrade() -> None:
    for table in ("posting", "rate_document", "payout_order", "journal", "inbox", "account"):
        op.drop_table(table)
    drop_common_tables(op)
