"""Runs migrations on the connection that `migrate` gives, or on `QT_DATABASE_URL` for developers."""

from __future__ import annotations

import os

import sqlalchemy as sa
from alembic import context

from app.adapters.postgres.engine import sqlalchemy_url
from app.adapters.postgres.tables import metadata

# A migration that cannot have its lock gives up instead of queueing every other statement behind itself.
LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "60s"


def run(connection: sa.Connection) -> None:
    connection.execute(
        sa.select(
            sa.func.set_config("lock_timeout", LOCK_TIMEOUT, True),
            sa.func.set_config("statement_timeout", STATEMENT_TIMEOUT, True),
        )
    )
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = sa.create_engine(sqlalchemy_url(os.environ["QT_DATABASE_URL"]), poolclass=sa.NullPool)
    with engine.begin() as connection:
        run(connection)
