"""Whose books these are; waiting quotes; what became of rate documents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "book",
        sa.Column("chain_id", sa.String(length=64), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", name=op.f("pk_book")),
    )
    op.create_table(
        "open_quote",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("requested_height", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open_quote")),
    )
    with op.batch_alter_table("rate_document") as table:
        table.add_column(sa.Column("tries", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("submission", sa.String(length=64), nullable=False, server_default=""))
        table.add_column(sa.Column("verdict", sa.String(length=40), nullable=False, server_default=""))
    op.create_index(op.f("ix_rate_document_submission"), "rate_document", ["submission"], unique=False)
    op.create_index(op.f("ix_rate_document_as_of_ms"), "rate_document", ["as_of_ms"], unique=False)
    _resize_subject(40, 96)


def downgrade() -> None:
    _resize_subject(96, 40)
    op.drop_index(op.f("ix_rate_document_as_of_ms"), "rate_document")
    op.drop_index(op.f("ix_rate_document_submission"), "rate_document")
    with op.batch_alter_table("rate_document") as table:
        for column in ("verdict", "submission", "tries"):
            table.drop_column(column)
    op.drop_table("open_quote")
    op.drop_table("book")


def _resize_subject(before: int, after: int) -> None:
    with op.batch_alter_table("journal") as table:
        table.alter_column(
            "subject",
            existing_type=sa.String(length=before),
            type_=sa.String(length=after),
            existing_nullable=False,
        )
