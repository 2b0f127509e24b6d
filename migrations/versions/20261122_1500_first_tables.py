"""The first tables, with the one account row that decisions take turns on and the emergency stop armed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_1500"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wallet_balance", sa.Numeric(), nullable=True),
        sa.Column("unrealised_pnl", sa.Numeric(), nullable=True),
        sa.Column("available_balance", sa.Numeric(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_account_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_table(
        "audit",
        sa.Column("audit_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit")),
    )
    op.create_table(
        "equity_points",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("equity", sa.Numeric(), nullable=False),
        sa.Column("wallet", sa.Numeric(), nullable=False),
        sa.Column("unrealised", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("at", name=op.f("pk_equity_points")),
    )
    op.create_table(
        "ess",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("trip_reason", sa.Text(), nullable=True),
        sa.Column("tripped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tripped_by", sa.Text(), nullable=True),
        sa.Column("safe_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cooldown_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cooldown_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trip_count", sa.Integer(), nullable=False),
        sa.Column("reset_count", sa.Integer(), nullable=False),
        sa.Column("flatten_requested", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('DISABLED', 'ARMED', 'TRIPPED', 'COOLING_DOWN')", name=op.f("ck_ess_state")),
        sa.CheckConstraint("id = 1", name=op.f("ck_ess_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ess")),
    )
    op.create_table(
        "ledger_lines",
        sa.Column("line_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("line_id", name=op.f("pk_ledger_lines")),
        sa.UniqueConstraint("entry", "account", "asset", name=op.f("uq_ledger_lines_entry_account_asset")),
    )
    op.create_index(
        "ix_ledger_lines_account_asset", "ledger_lines", ["account", "asset"], postgresql_include=["amount"]
    )
    op.create_table(
        "policies",
        sa.Column("version", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_policies")),
    )
    op.create_table(
        "positions",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("entry_price", sa.Numeric(), nullable=False),
        sa.Column("entry_cost", sa.Numeric(), nullable=False),
        sa.Column("realised_pnl", sa.Numeric(), nullable=False),
        sa.Column("fees", sa.Numeric(), nullable=False),
        sa.Column("stop_price", sa.Numeric(), nullable=True),
        sa.Column("target_price", sa.Numeric(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_positions")),
    )
    op.create_table(
        "signals",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("signal_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Numeric(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("generated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reference_price", sa.Numeric(), nullable=True),
        sa.Column("models", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("policy_version", sa.BigInteger(), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("side IN ('BUY', 'SELL')", name=op.f("ck_signals_side")),
        sa.CheckConstraint(
            "state IN ('QUEUED', 'DISPATCHED', 'ORDERED', 'DROPPED', 'EVICTED', 'EXPIRED', 'DENIED', 'OBSERVED',"
            " 'EXECUTED', 'FAILED')",
            name=op.f("ck_signals_state"),
        ),
        sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name=op.f("ck_signals_confidence_range")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_signals")),
        sa.UniqueConstraint("signal_id", name=op.f("uq_signals_signal_id")),
    )
    op.create_index(
        "ix_signals_in_flight",
        "signals",
        ["dispatched_at"],
        postgresql_where=sa.text("signals.state IN ('DISPATCHED', 'ORDERED')"),
    )
    op.create_index(
        "ix_signals_queued", "signals", ["received_at"], postgresql_where=sa.text("signals.state = 'QUEUED'")
    )
    op.create_index("ix_signals_state_sequence", "signals", ["state", "sequence"])
    op.create_table(
        "symbols",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("base_asset", sa.Text(), nullable=False),
        sa.Column("quote_asset", sa.Text(), nullable=False),
        sa.Column("tick_size", sa.Numeric(), nullable=False),
        sa.Column("price_minimum", sa.Numeric(), nullable=False),
        sa.Column("price_maximum", sa.Numeric(), nullable=False),
        sa.Column("step_size", sa.Numeric(), nullable=False),
        sa.Column("quantity_minimum", sa.Numeric(), nullable=False),
        sa.Column("quantity_maximum", sa.Numeric(), nullable=False),
        sa.Column("market_quantity_maximum", sa.Numeric(), nullable=False),
        sa.Column("notional_minimum", sa.Numeric(), nullable=False),
        sa.Column("price_multiplier_up", sa.Numeric(), nullable=False),
        sa.Column("price_multiplier_down", sa.Numeric(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_symbols")),
    )
    op.create_table(
        "tokens",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_tokens")),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("signal_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=True),
        sa.Column("attempt_number", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("verdicts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.signal_id"], name=op.f("fk_decisions_signal_id")),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_signal_id", "decisions", ["signal_id"])
    op.create_table(
        "orders",
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("signal_id", sa.Text(), nullable=True),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("reference_price", sa.Numeric(), nullable=False),
        sa.Column("limit_price", sa.Numeric(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("executed_quantity", sa.Numeric(), nullable=False),
        sa.Column("booked_quantity", sa.Numeric(), nullable=False),
        sa.Column("attempts_made", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("policy_version", sa.BigInteger(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("purpose IN ('ENTRY', 'EXIT')", name=op.f("ck_orders_purpose")),
        sa.CheckConstraint("side IN ('BUY', 'SELL')", name=op.f("ck_orders_side")),
        sa.CheckConstraint(
            "state IN ('SUBMITTED', 'CHASING', 'FILLED', 'PARTIALLY_FILLED', 'EXPIRED', 'REJECTED', 'NOT_SENT')",
            name=op.f("ck_orders_state"),
        ),
        sa.CheckConstraint("booked_quantity <= quantity", name=op.f("ck_orders_never_overbooked")),
        sa.CheckConstraint("executed_quantity <= quantity", name=op.f("ck_orders_never_overfilled")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_orders_quantity_positive")),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.signal_id"], name=op.f("fk_orders_signal_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
        sa.UniqueConstraint("sequence", name=op.f("uq_orders_sequence")),
        sa.UniqueConstraint("signal_id", name=op.f("uq_orders_signal_id")),
    )
    op.create_index(
        "ix_orders_open", "orders", ["created_at"], postgresql_where=sa.text("orders.state IN ('SUBMITTED', 'CHASING')")
    )
    op.create_index("ix_orders_symbol_side_created_at", "orders", ["symbol", "side", "created_at"])
    op.create_index(
        "ix_orders_unbooked",
        "orders",
        ["created_at"],
        postgresql_where=sa.text("orders.executed_quantity > orders.booked_quantity"),
    )
    op.create_table(
        "attempts",
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("order_type", sa.Text(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("signed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("recv_window_ms", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exchange_order_id", sa.BigInteger(), nullable=True),
        sa.Column("executed_quantity", sa.Numeric(), nullable=False),
        sa.Column("average_price", sa.Numeric(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("unknown_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_found_count", sa.Integer(), nullable=False),
        sa.Column("last_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("order_type IN ('LIMIT', 'MARKET')", name=op.f("ck_attempts_order_type")),
        sa.CheckConstraint("side IN ('BUY', 'SELL')", name=op.f("ck_attempts_side")),
        sa.CheckConstraint(
            "state IN ('SENDING', 'UNKNOWN', 'FILLED', 'PARTIALLY_FILLED', 'EXPIRED', 'REJECTED', 'NOT_SENT')",
            name=op.f("ck_attempts_state"),
        ),
        sa.CheckConstraint("time_in_force IN ('IOC', 'GTC')", name=op.f("ck_attempts_time_in_force")),
        sa.CheckConstraint("executed_quantity <= quantity", name=op.f("ck_attempts_never_overfilled")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_attempts_quantity_positive")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name=op.f("fk_attempts_order_id")),
        sa.PrimaryKeyConstraint("client_order_id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("order_id", "number", name=op.f("uq_attempts_order_id_number")),
    )
    op.create_index("ix_attempts_begun_at", "attempts", ["begun_at"])
    op.create_index("ix_attempts_symbol_exchange_order_id", "attempts", ["symbol", "exchange_order_id"])
    op.create_index(
        "ix_attempts_open",
        "attempts",
        ["begun_at"],
        postgresql_where=sa.text("attempts.state IN ('SENDING', 'UNKNOWN')"),
    )
    op.create_index(
        "uq_attempts_one_open_per_order",
        "attempts",
        ["order_id"],
        unique=True,
        postgresql_where=sa.text("attempts.state IN ('SENDING', 'UNKNOWN')"),
    )
    op.create_table(
        "fills",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("exchange_order_id", sa.BigInteger(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=True),
        sa.Column("order_id", sa.UUID(), nullable=True),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("fee", sa.Numeric(), nullable=False),
        sa.Column("fee_asset", sa.Text(), nullable=False),
        sa.Column("realised_pnl", sa.Numeric(), nullable=False),
        sa.Column("is_maker", sa.Boolean(), nullable=False),
        sa.Column("traded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("side IN ('BUY', 'SELL')", name=op.f("ck_fills_side")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_fills_quantity_positive")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name=op.f("fk_fills_order_id")),
        sa.PrimaryKeyConstraint("symbol", "trade_id", name=op.f("pk_fills")),
    )
    op.create_index("ix_fills_order_id", "fills", ["order_id"])
    op.create_index("ix_fills_traded_at", "fills", ["traded_at"])
    op.execute("INSERT INTO account (id) VALUES (1)")
    # Armed from the first second: a stop that has yet to be switched on protects nobody.
    op.execute(
        "INSERT INTO ess (id, state, trip_count, reset_count, flatten_requested, updated_at)"
        " VALUES (1, 'ARMED', 0, 0, false, now())"
    )


def downgrade() -> None:
    op.drop_table("fills")
    op.drop_table("attempts")
    op.drop_table("orders")
    op.drop_table("decisions")
    op.drop_table("tokens")
    op.drop_table("symbols")
    op.drop_table("signals")
    op.drop_table("positions")
    op.drop_table("policies")
    op.drop_table("ledger_lines")
    op.drop_table("ess")
    op.drop_table("equity_points")
    op.drop_table("audit")
    op.drop_table("account")
