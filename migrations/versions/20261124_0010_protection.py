"""How positions are left: guards, protective orders, and the regimes they are placed by."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_0010"
down_revision = "20261123_2350"
branch_labels = None
depends_on = None

SIDES = "side IN ('BUY', 'SELL')"
REGIMES = "regime IN ('LOW_VOL', 'NORMAL_VOL', 'HIGH_VOL', 'EXTREME_VOL', 'TRENDING', 'RANGING')"
STATES = (
    "state IN ('SENDING', 'UNKNOWN', 'WORKING', 'TRIGGERED', 'FINISHED', 'CANCELED', 'EXPIRED', 'REJECTED', 'NOT_SENT')"
)


def _moment(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _money(name: str) -> sa.Column:
    return sa.Column(name, sa.Numeric(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "guards",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        _moment("opened_at"),
        _money("entry_price"),
        sa.Column("regime", sa.Text(), nullable=True),
        _money("confidence"),
        _money("risk"),
        _money("stop_price"),
        _money("target_price"),
        _money("best_price"),
        _moment("expires_at"),
        _moment("updated_at"),
        _moment("breakeven_at", nullable=True),
        _moment("uncovered_since", nullable=True),
        sa.Column("closing_because", sa.Text(), nullable=True),
        _moment("alarmed_at", nullable=True),
        _moment("refused_at", nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.CheckConstraint(SIDES, name=op.f("ck_guards_side")),
        sa.CheckConstraint(REGIMES, name=op.f("ck_guards_regime")),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_guards")),
    )
    op.create_table(
        "protective_orders",
        sa.Column("client_algo_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        _money("quantity"),
        _money("trigger_price"),
        sa.Column("signed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("recv_window_ms", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _moment("begun_at"),
        sa.Column("exchange_order_id", sa.BigInteger(), nullable=True),
        _moment("cancel_requested_at", nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        _moment("unknown_since", nullable=True),
        sa.Column("not_found_count", sa.Integer(), nullable=False),
        _moment("last_asked_at", nullable=True),
        _moment("ended_at", nullable=True),
        sa.CheckConstraint("leg IN ('STOP', 'TARGET')", name=op.f("ck_protective_orders_leg")),
        sa.CheckConstraint(SIDES, name=op.f("ck_protective_orders_side")),
        sa.CheckConstraint(STATES, name=op.f("ck_protective_orders_state")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_protective_orders_quantity_positive")),
        sa.PrimaryKeyConstraint("client_algo_id", name=op.f("pk_protective_orders")),
        sa.UniqueConstraint("order_id", name=op.f("uq_protective_orders_order_id")),
    )
    op.create_index(
        "ix_protective_orders_live",
        "protective_orders",
        ["symbol", "begun_at"],
        postgresql_where=sa.text("state IN ('SENDING', 'UNKNOWN', 'WORKING', 'TRIGGERED')"),
    )
    op.create_index(
        "ix_protective_orders_symbol_exchange_order_id", "protective_orders", ["symbol", "exchange_order_id"]
    )
    op.create_table(
        "market_regimes",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        _money("atr"),
        _money("close"),
        _money("usual"),
        _money("efficiency"),
        sa.Column("candles", sa.Integer(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        _moment("observed_at"),
        sa.CheckConstraint(REGIMES, name=op.f("ck_market_regimes_regime")),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_market_regimes")),
    )


def downgrade() -> None:
    op.drop_table("market_regimes")
    op.drop_table("protective_orders")
    op.drop_table("guards")
