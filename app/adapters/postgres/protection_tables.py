"""Levels of positions, the conditional orders that stand for them, and the regimes they come from."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.column_types import Moment, Money
from app.adapters.postgres.tables import metadata, one_of
from app.domain.protection.orders import Leg, ProtectionState
from app.domain.regimes import Regime
from app.domain.signals import Side

PROTECTION_IS_LIVE = sa.text("protective_orders.state IN ('SENDING', 'UNKNOWN', 'WORKING', 'TRIGGERED')")

guards = sa.Table(
    "guards",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("entry_price", Money, nullable=False),
    sa.Column("regime", sa.Text),
    sa.Column("confidence", Money, nullable=False),
    sa.Column("risk", Money, nullable=False),
    sa.Column("stop_price", Money, nullable=False),
    sa.Column("target_price", Money, nullable=False),
    sa.Column("best_price", Money, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("breakeven_at", Moment),
    sa.Column("uncovered_since", Moment),
    sa.Column("closing_because", sa.Text),
    sa.Column("alarmed_at", Moment),
    sa.Column("refused_at", Moment),
    sa.Column("refusal", sa.Text),
    one_of("side", Side),
    one_of("regime", Regime),
)

protective_orders = sa.Table(
    "protective_orders",
    metadata,
    sa.Column("client_algo_id", sa.Text, primary_key=True),
    sa.Column("order_id", pg.UUID(as_uuid=True), nullable=False, unique=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("leg", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("quantity", Money, nullable=False),
    sa.Column("trigger_price", Money, nullable=False),
    sa.Column("signed_at_ms", sa.BigInteger, nullable=False),
    sa.Column("recv_window_ms", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("begun_at", Moment, nullable=False),
    sa.Column("exchange_order_id", sa.BigInteger),
    sa.Column("cancel_requested_at", Moment),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("unknown_since", Moment),
    sa.Column("not_found_count", sa.Integer, nullable=False),
    sa.Column("last_asked_at", Moment),
    sa.Column("ended_at", Moment),
    one_of("leg", Leg),
    one_of("side", Side),
    one_of("state", ProtectionState),
    sa.CheckConstraint("quantity > 0", name="quantity_positive"),
    sa.Index("ix_protective_orders_live", "symbol", "begun_at", postgresql_where=PROTECTION_IS_LIVE),
    sa.Index("ix_protective_orders_symbol_exchange_order_id", "symbol", "exchange_order_id"),
    sa.Index("ix_protective_orders_begun_at", "begun_at"),
)

market_regimes = sa.Table(
    "market_regimes",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("regime", sa.Text, nullable=False),
    sa.Column("atr", Money, nullable=False),
    sa.Column("close", Money, nullable=False),
    sa.Column("usual", Money, nullable=False),
    sa.Column("efficiency", Money, nullable=False),
    sa.Column("candles", sa.Integer, nullable=False),
    sa.Column("interval", sa.Text, nullable=False),
    sa.Column("observed_at", Moment, nullable=False),
    one_of("regime", Regime),
)
