"""Open orders are found without reading those of all times."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPEN = sa.text("published_ms IS NULL")


def upgrade() -> None:
    op.create_index(
        op.f("ix_payout_order_open"),
        "payout_order",
        ["seq"],
        unique=False,
        postgresql_where=OPEN,
        sqlite_where=OPEN,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_payout_order_open"), "payout_order")
