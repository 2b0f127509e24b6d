"""When the exchange first said "no such order", by its own clock."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_0040"
down_revision = "20261124_0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("not_found_at_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempts", "not_found_at_ms")
