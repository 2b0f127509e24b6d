"""Who may do what: people, their sessions, and what they tried."""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.postgres.column_types import Moment
from app.adapters.postgres.tables import metadata, one_of
from app.domain.access import Role

users = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("password_changed_at", Moment, nullable=False),
    one_of("role", Role),
)

# Not bound to users: the machine's own operator logs in by a link, without a password.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("session_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    one_of("role", Role),
    sa.Index("ix_sessions_name", "name"),
)

login_links = sa.Table(
    "login_links",
    metadata,
    sa.Column("link_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    one_of("role", Role),
)

login_attempts = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Index("ix_login_attempts_at", "at"),
)
