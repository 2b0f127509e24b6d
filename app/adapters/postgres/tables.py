"""The tables of signals, orders, money and control; the other `*_tables.py` hold the rest of the schema.

SQLAlchemy Core; migrations are held equal to all of them by a test.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.column_types import Moment, Money
from app.domain.alerts import AlertChange
from app.domain.ess import EssState
from app.domain.health import Status
from app.domain.orders import AttemptState, OrderPurpose, OrderState, OrderType, TimeInForce
from app.domain.signals import Side, SignalState

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_money = Money
_time = Moment


def _words(values: Iterable[StrEnum]) -> str:
    return ", ".join(f"'{value.value}'" for value in values)


def one_of(column: str, values: Iterable[StrEnum]) -> sa.CheckConstraint:
    """The column holds one of the words; the constraint is named after the column."""
    return sa.CheckConstraint(f"{column} IN ({_words(values)})", name=column)


# The conditions of the partial indexes, and those that follow from them. Queries use these very texts: a bound
# parameter would hide the index from the planner of a prepared statement.
SIGNAL_IS_QUEUED = sa.text("signals.state = 'QUEUED'")
SIGNAL_IS_DISPATCHED = sa.text("signals.state = 'DISPATCHED'")
SIGNAL_IS_IN_FLIGHT = sa.text("signals.state IN ('DISPATCHED', 'ORDERED')")
ORDER_IS_OPEN = sa.text("orders.state IN ('SUBMITTED', 'CHASING')")
ORDER_IS_CHASING = sa.text("orders.state = 'CHASING'")
ORDER_IS_UNBOOKED = sa.text("orders.executed_quantity > orders.booked_quantity")
ATTEMPT_IS_OPEN = sa.text("attempts.state IN ('SENDING', 'UNKNOWN')")
ATTEMPT_HAS_ENDED = sa.text("attempts.state NOT IN ('SENDING', 'UNKNOWN')")
ALERT_IS_OPEN = sa.text("alerts.cleared_at IS NULL")
ATTEMPT_WAS_TROUBLED = sa.text("(attempts.unknown_since IS NOT NULL OR attempts.state = 'NOT_SENT')")

signals = sa.Table(
    "signals",
    metadata,
    # Not "always": a batch draws its numbers in order of arrival but is inserted in order of its ids.
    sa.Column("sequence", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("signal_id", sa.Text, nullable=False, unique=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("confidence", _money, nullable=False),
    sa.Column("strategy", sa.Text, nullable=False),
    sa.Column("generated_at", _time, nullable=False),
    sa.Column("received_at", _time, nullable=False),
    sa.Column("expires_at", _time, nullable=False),
    sa.Column("reference_price", _money),
    sa.Column("models", pg.JSONB, nullable=False),
    sa.Column("producer", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason_code", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("policy_version", sa.BigInteger),
    sa.Column("dispatched_at", _time),
    sa.Column("decided_at", _time),
    sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence_range"),
    one_of("side", Side),
    one_of("state", SignalState),
    # The sweeps and the credit count look only at what is not finished: partial indexes stay small for ever.
    sa.Index("ix_signals_queued", "received_at", postgresql_where=SIGNAL_IS_QUEUED),
    sa.Index("ix_signals_in_flight", "dispatched_at", postgresql_where=SIGNAL_IS_IN_FLIGHT),
    sa.Index("ix_signals_state_sequence", "state", "sequence"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", pg.UUID(as_uuid=True), primary_key=True),
    sa.Column("sequence", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("signal_id", sa.Text, sa.ForeignKey("signals.signal_id"), unique=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("quantity", _money, nullable=False),
    sa.Column("reference_price", _money, nullable=False),
    sa.Column("limit_price", _money, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason_code", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("executed_quantity", _money, nullable=False),
    sa.Column("booked_quantity", _money, nullable=False),
    sa.Column("attempts_made", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", _time),
    sa.Column("policy_version", sa.BigInteger, nullable=False),
    sa.Column("correlation_id", sa.Text, nullable=False),
    sa.Column("created_at", _time, nullable=False),
    sa.Column("ended_at", _time),
    one_of("side", Side),
    one_of("purpose", OrderPurpose),
    one_of("state", OrderState),
    sa.CheckConstraint("quantity > 0", name="quantity_positive"),
    # The promise itself: the fills of all attempts never exceed what was approved.
    sa.CheckConstraint("executed_quantity <= quantity", name="never_overfilled"),
    sa.CheckConstraint("booked_quantity <= quantity", name="never_overbooked"),
    sa.Index("ix_orders_open", "created_at", postgresql_where=ORDER_IS_OPEN),
    sa.Index("ix_orders_unbooked", "created_at", postgresql_where=ORDER_IS_UNBOOKED),
    sa.Index("ix_orders_symbol_side_created_at", "symbol", "side", "created_at"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("client_order_id", sa.Text, primary_key=True),
    sa.Column("order_id", pg.UUID(as_uuid=True), sa.ForeignKey("orders.order_id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("order_type", sa.Text, nullable=False),
    sa.Column("time_in_force", sa.Text),
    sa.Column("quantity", _money, nullable=False),
    sa.Column("price", _money),
    sa.Column("reduce_only", sa.Boolean, nullable=False),
    sa.Column("signed_at_ms", sa.BigInteger, nullable=False),
    sa.Column("recv_window_ms", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("begun_at", _time, nullable=False),
    sa.Column("exchange_order_id", sa.BigInteger),
    sa.Column("executed_quantity", _money, nullable=False),
    sa.Column("average_price", _money),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("unknown_since", _time),
    sa.Column("not_found_count", sa.Integer, nullable=False),
    sa.Column("not_found_at_ms", sa.BigInteger),
    sa.Column("last_asked_at", _time),
    sa.Column("ended_at", _time),
    sa.UniqueConstraint("order_id", "number"),
    one_of("side", Side),
    one_of("order_type", OrderType),
    one_of("time_in_force", TimeInForce),
    one_of("state", AttemptState),
    sa.CheckConstraint("quantity > 0", name="quantity_positive"),
    sa.CheckConstraint("executed_quantity <= quantity", name="never_overfilled"),
    # At most one attempt of an order is on its way at any time: the database itself refuses a second.
    sa.Index(
        "uq_attempts_one_open_per_order",
        "order_id",
        unique=True,
        postgresql_where=ATTEMPT_IS_OPEN,
    ),
    sa.Index("ix_attempts_open", "begun_at", postgresql_where=ATTEMPT_IS_OPEN),
    sa.Index("ix_attempts_begun_at", "begun_at"),
    sa.Index("ix_attempts_troubled", "begun_at", postgresql_where=ATTEMPT_WAS_TROUBLED),
    sa.Index("ix_attempts_symbol_exchange_order_id", "symbol", "exchange_order_id"),
)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("trade_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("exchange_order_id", sa.BigInteger, nullable=False),
    sa.Column("client_order_id", sa.Text),
    sa.Column("order_id", pg.UUID(as_uuid=True), sa.ForeignKey("orders.order_id")),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("price", _money, nullable=False),
    sa.Column("quantity", _money, nullable=False),
    sa.Column("fee", _money, nullable=False),
    sa.Column("fee_asset", sa.Text, nullable=False),
    sa.Column("realised_pnl", _money, nullable=False),
    sa.Column("is_maker", sa.Boolean, nullable=False),
    sa.Column("traded_at", _time, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("adopted", sa.Boolean, nullable=False),
    sa.Column("booked_at", _time, nullable=False, server_default=sa.func.now()),
    one_of("side", Side),
    sa.CheckConstraint("quantity > 0", name="quantity_positive"),
    sa.Index("ix_fills_order_id", "order_id"),
    sa.Index("ix_fills_traded_at", "traded_at"),
)

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("quantity", _money, nullable=False),
    sa.Column("entry_price", _money, nullable=False),
    sa.Column("entry_cost", _money, nullable=False),  # exact; entry_price is its rounded quotient
    sa.Column("realised_pnl", _money, nullable=False),
    sa.Column("fees", _money, nullable=False),
    sa.Column("stop_price", _money),
    sa.Column("target_price", _money),
    sa.Column("updated_at", _time),
)

ledger_lines = sa.Table(
    "ledger_lines",
    metadata,
    sa.Column("line_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("entry", sa.Text, nullable=False),  # e.g. fill:BTCUSDT:123; its lines sum to zero per asset
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("amount", _money, nullable=False),
    sa.Column("at", _time, nullable=False),
    sa.UniqueConstraint("entry", "account", "asset"),
    # A balance is summed from the index alone.
    sa.Index("ix_ledger_lines_account_asset", "account", "asset", postgresql_include=["amount"]),
)

account = sa.Table(
    "account",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("wallet_balance", _money),
    sa.Column("unrealised_pnl", _money),
    sa.Column("available_balance", _money),
    sa.Column("observed_at", _time),
    sa.CheckConstraint("id = 1", name="one_row"),
)

equity_points = sa.Table(
    "equity_points",
    metadata,
    sa.Column("at", _time, primary_key=True),
    sa.Column("equity", _money, nullable=False),
    sa.Column("wallet", _money, nullable=False),
    sa.Column("unrealised", _money, nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("decision_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("signal_id", sa.Text, sa.ForeignKey("signals.signal_id"), nullable=False),
    sa.Column("order_id", pg.UUID(as_uuid=True)),
    sa.Column("attempt_number", sa.Integer, nullable=False),
    sa.Column("policy_version", sa.BigInteger),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("code", sa.Text),
    sa.Column("verdicts", pg.JSONB, nullable=False),
    sa.Column("inputs", pg.JSONB, nullable=False),
    sa.Column("decided_at", _time, nullable=False),
    sa.Index("ix_decisions_signal_id", "signal_id"),
    # What-if walks a time backwards, page by page.
    sa.Index("ix_decisions_decided_at_decision_id", "decided_at", "decision_id"),
)

ess = sa.Table(
    "ess",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("trip_reason", sa.Text),
    sa.Column("tripped_at", _time),
    sa.Column("tripped_by", sa.Text),
    sa.Column("safe_at", _time),
    sa.Column("cooldown_started_at", _time),
    sa.Column("cooldown_until", _time),
    sa.Column("trip_count", sa.Integer, nullable=False),
    sa.Column("reset_count", sa.Integer, nullable=False),
    sa.Column("flatten_requested", sa.Boolean, nullable=False),
    sa.Column("updated_at", _time, nullable=False),
    sa.Column("entries_over_at", _time),
    sa.Column("orders_canceled_at", _time),
    sa.Column("flat_at", _time),
    sa.Column("held_because", sa.Text),
    sa.Column("policy_version", sa.BigInteger),
    sa.CheckConstraint("id = 1", name="one_row"),
    one_of("state", EssState),
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("version", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("body", pg.JSONB, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", _time, nullable=False),
)

symbols = sa.Table(
    "symbols",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("base_asset", sa.Text, nullable=False),
    sa.Column("quote_asset", sa.Text, nullable=False),
    sa.Column("tick_size", _money, nullable=False),
    sa.Column("price_minimum", _money, nullable=False),
    sa.Column("price_maximum", _money, nullable=False),
    sa.Column("step_size", _money, nullable=False),
    sa.Column("quantity_minimum", _money, nullable=False),
    sa.Column("quantity_maximum", _money, nullable=False),
    sa.Column("market_quantity_maximum", _money, nullable=False),
    sa.Column("notional_minimum", _money, nullable=False),
    sa.Column("price_multiplier_up", _money, nullable=False),
    sa.Column("price_multiplier_down", _money, nullable=False),
    sa.Column("updated_at", _time, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", _time, nullable=False),
    sa.Column("expires_at", _time),
    sa.Column("revoked_at", _time),
)

reconciliations = sa.Table(
    "reconciliations",
    metadata,
    sa.Column("reconciliation_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("at", _time, nullable=False),
    sa.Column("differences", pg.JSONB, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("audit_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("at", _time, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", pg.JSONB, nullable=False),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("component", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("raised_at", _time, nullable=False),
    sa.Column("changed_at", _time, nullable=False),
    sa.Column("cleared_at", _time),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("occurrences", sa.Integer, nullable=False),
    sa.Column("last_change", sa.Text, nullable=False),
    sa.Column("delivered", pg.JSONB, nullable=False),  # channel -> the newest revision delivered
    one_of("status", Status),
    one_of("last_change", AlertChange),
    sa.Index("ix_alerts_open", "sequence", postgresql_where=ALERT_IS_OPEN),
)
