"""What became of each strategy's signals, counted once per event; and which consumer has applied which event."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_0055"
down_revision = "20261124_0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "applied_events",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "event_id", name=op.f("pk_applied_events")),
        sa.Index("ix_applied_events_applied_at", "applied_at"),
    )
    op.create_table(
        "strategy_outcomes",
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("signals", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("strategy", "state", name=op.f("pk_strategy_outcomes")),
    )


def downgrade() -> None:
    op.drop_table("strategy_outcomes")
    op.drop_table("applied_events")
