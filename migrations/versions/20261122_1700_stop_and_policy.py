"""How far a trip was carried, why a cooldown is held, which policy counts; and attempts that went wrong, by time."""

import sqlalchemy as sa
from alembic import op

revision = "20261122_1700"
down_revision = "20261122_1600"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ess", sa.Column("entries_over_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ess", sa.Column("orders_canceled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ess", sa.Column("flat_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ess", sa.Column("held_because", sa.Text(), nullable=True))
    op.add_column("ess", sa.Column("policy_version", sa.BigInteger(), nullable=True))
    op.execute("UPDATE ess SET policy_version = (SELECT max(version) FROM policies)")
    op.create_index(
        "ix_attempts_troubled",
        "attempts",
        ["begun_at"],
        postgresql_where=sa.text("unknown_since IS NOT NULL OR state = 'NOT_SENT'"),
    )


def downgrade() -> None:
    op.drop_index("ix_attempts_troubled", table_name="attempts")
    op.drop_column("ess", "policy_version")
    op.drop_column("ess", "held_because")
    op.drop_column("ess", "flat_at")
    op.drop_column("ess", "orders_canceled_at")
    op.drop_column("ess", "entries_over_at")
