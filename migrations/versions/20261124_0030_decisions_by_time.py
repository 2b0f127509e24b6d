"""Decisions by time, for those who ask what another policy would have decided."""

from alembic import op

revision = "20261124_0030"
down_revision = "20261124_0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_decisions_decided_at_decision_id", "decisions", ["decided_at", "decision_id"])


def downgrade() -> None:
    op.drop_index("ix_decisions_decided_at_decision_id", table_name="decisions")
