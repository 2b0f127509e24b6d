"""Strategies that were disabled for repeated executions: they stay so until a person enables them."""

import sqlalchemy as sa
from alembic import op

revision = "20261128_2040"
down_revision = "20261128_2020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "strategy_throttles",
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("executions", sa.Integer(), nullable=False),
        sa.Column("maximum", sa.Integer(), nullable=False),
        sa.Column("window_seconds", sa.Integer(), nullable=False),
        sa.Column("times_disabled", sa.Integer(), nullable=False),
        sa.Column("enabled_at", sa.DateTime(timezone=True)),
        sa.Column("enabled_by", sa.Text()),
        sa.Column("enabled_because", sa.Text()),
        sa.PrimaryKeyConstraint("strategy", name=op.f("pk_strategy_throttles")),
    )


def downgrade() -> None:
    op.drop_table("strategy_throttles")
