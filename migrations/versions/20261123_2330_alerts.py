"""Alerts: what was wrong, when, and whether it still is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "20261123_2330"
down_revision = "20261122_1700"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("occurrences", sa.Integer(), nullable=False),
        sa.Column("last_change", sa.Text(), nullable=False),
        sa.Column("delivered", pg.JSONB(), nullable=False),
        sa.CheckConstraint("status IN ('OK', 'DEGRADED', 'CRITICAL')", name=op.f("ck_alerts_status")),
        sa.CheckConstraint(
            "last_change IN ('RAISED', 'REOPENED', 'ESCALATED', 'EASED', 'CLEARED')",
            name=op.f("ck_alerts_last_change"),
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("sequence", name=op.f("uq_alerts_sequence")),
    )
    op.create_index("ix_alerts_open", "alerts", ["sequence"], postgresql_where=sa.text("cleared_at IS NULL"))


def downgrade() -> None:
    op.drop_table("alerts")
