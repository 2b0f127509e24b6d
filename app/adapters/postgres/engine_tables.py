"""The AI engine's tables. Forecasts and skills are binary floats, being statistics; what a signal earned is NUMERIC."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.column_types import Moment, Money
from app.adapters.postgres.tables import metadata

VERSION_IS_CHAMPION = sa.text("model_versions.role = 'CHAMPION'")
VERSION_IS_CHALLENGER = sa.text("model_versions.role = 'CHALLENGER'")
FORECAST_IS_OPEN = sa.text("forecasts.settled_at IS NULL")

model_versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("feature_set", sa.Text, nullable=False),
    sa.Column("horizon_minutes", sa.Integer, nullable=False),
    sa.Column("symbols", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("data_from", Moment, nullable=False),
    sa.Column("data_to", Moment, nullable=False),
    sa.Column("samples", sa.Integer, nullable=False),
    sa.Column("slope", sa.Double, nullable=False),
    sa.Column("center", sa.Double, nullable=False),
    sa.Column("typical_move", sa.Double, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("metrics", pg.JSONB, nullable=False),
    sa.Column("comparison", pg.JSONB),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("role_since", Moment, nullable=False),
    sa.CheckConstraint("role IN ('CHALLENGER', 'CHAMPION', 'RETIRED')", name="role"),
    # One of each family serves, and one is measured beside it: the database itself refuses a second.
    sa.Index("uq_model_versions_one_champion", "family", unique=True, postgresql_where=VERSION_IS_CHAMPION),
    sa.Index("uq_model_versions_one_challenger", "family", unique=True, postgresql_where=VERSION_IS_CHALLENGER),
    sa.Index("ix_model_versions_created_at", "created_at"),
)

training_runs = sa.Table(
    "training_runs",
    metadata,
    sa.Column("run_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("ended_at", Moment, nullable=False),
    sa.Column("data_from", Moment),
    sa.Column("data_to", Moment),
    sa.Column("symbols", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("samples", sa.Integer, nullable=False),
    sa.Column("horizon_minutes", sa.Integer, nullable=False),
    sa.Column("skill", pg.JSONB, nullable=False),
    sa.Column("reliability", pg.JSONB, nullable=False),
    sa.Column("families", pg.JSONB, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
)

forecasts = sa.Table(
    "forecasts",
    metadata,
    sa.Column("at", Moment, primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("is_shadow", sa.Boolean, nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("horizon_minutes", sa.Integer, nullable=False),
    sa.Column("move", sa.Double),  # the log return that came; null with a reason when it cannot be told
    sa.Column("reason", sa.Text),
    sa.Column("settled_at", Moment),
    sa.CheckConstraint("probability >= 0 AND probability <= 1", name="probability_range"),
    sa.Index("ix_forecasts_open", "at", postgresql_where=FORECAST_IS_OPEN),
    sa.Index("ix_forecasts_version_at", "version", "at"),
)

ensemble_verdicts = sa.Table(
    "ensemble_verdicts",
    metadata,
    sa.Column("at", Moment, primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("probability", sa.Double),
    sa.Column("agreement", sa.Double),
    sa.Column("spread", sa.Double),
    sa.Column("votes", pg.JSONB, nullable=False),
    sa.Column("abstentions", pg.JSONB, nullable=False),
    sa.Column("signal_id", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
)

signal_outcomes = sa.Table(
    "signal_outcomes",
    metadata,
    sa.Column("signal_id", sa.Text, sa.ForeignKey("signals.signal_id"), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False, unique=True),
    sa.Column("horizon_minutes", sa.Integer, nullable=False),
    sa.Column("entry_price", Money),
    sa.Column("exit_price", Money),
    sa.Column("gross_return", Money),
    sa.Column("cost", Money, nullable=False),
    sa.Column("net_return", Money),
    sa.Column("reason", sa.Text),
    sa.Column("recorded_at", Moment, nullable=False),
)

live_skills = sa.Table(
    "live_skills",
    metadata,
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("estimate", sa.Double, nullable=False),
    sa.Column("standard_error", sa.Double),  # null: not measured yet
    sa.Column("blocks", sa.Integer, nullable=False),
    sa.Column("samples", sa.Integer, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)
