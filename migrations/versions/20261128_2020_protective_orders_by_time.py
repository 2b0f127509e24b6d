"""Protective orders by the time they were begun: they count among the orders of the exchange's minute."""

from alembic import op

revision = "20261128_2020"
down_revision = "20261124_0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_protective_orders_begun_at", "protective_orders", ["begun_at"])


def downgrade() -> None:
    op.drop_index("ix_protective_orders_begun_at", table_name="protective_orders")
