"""Events as they were committed, and what consumers made of them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.adapters.postgres.column_types import Moment
from app.adapters.postgres.tables import metadata

events = sa.Table(
    "events",
    metadata,
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("payload", pg.JSONB, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False, server_default=sa.func.clock_timestamp()),
    sa.Index("ix_events_subject_number", "subject", "number"),
)

applied_events = sa.Table(
    "applied_events",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("applied_at", Moment, nullable=False, server_default=sa.func.now()),
    sa.Index("ix_applied_events_applied_at", "applied_at"),
)

strategy_outcomes = sa.Table(
    "strategy_outcomes",
    metadata,
    sa.Column("strategy", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("signals", sa.BigInteger, nullable=False),
)
