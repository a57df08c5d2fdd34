"""A payment's look has a fence, as an order's sending has."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment", sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("payment", "fence")
