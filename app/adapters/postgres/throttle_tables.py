"""Strategies that were disabled for repeated executions, and who let them go on."""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.postgres.column_types import Moment
from app.adapters.postgres.tables import metadata

strategy_throttles = sa.Table(
    "strategy_throttles",
    metadata,
    sa.Column("strategy", sa.Text, primary_key=True),
    sa.Column("disabled_at", Moment),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("executions", sa.Integer, nullable=False),
    sa.Column("maximum", sa.Integer, nullable=False),
    sa.Column("window_seconds", sa.Integer, nullable=False),
    sa.Column("times_disabled", sa.Integer, nullable=False),
    sa.Column("enabled_at", Moment),
    sa.Column("enabled_by", sa.Text),
    sa.Column("enabled_because", sa.Text),
)
