"""Bring a database to the newest schema: safe to run twice, at once, and against a database that is already newer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import exc

from app.adapters.postgres.engine import CONNECT_SECONDS_MAX, sqlalchemy_url
from app.ports import DatabaseUnavailableError

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations"
# Of all databases on a server, ours; any number will do as long as it stays the same.
ADVISORY_LOCK = 7_240_118_005
TURN_SECONDS_MAX = 120


class DatabaseNewerThanCodeError(Exception):
    """The database was migrated by a newer release; running this one against it could damage it."""


def migrate(database_url: str) -> None:
    """`alembic upgrade head`, in one transaction: all of it or nothing.

    Of two processes the second waits (at most `TURN_SECONDS_MAX`) and finds nothing to do. Raises
    `DatabaseNewerThanCodeError`, and `DatabaseUnavailableError` when Postgres is away or something holds the tables.
    """
    # Only one short-lived process of the system migrates; the others are spared the import.
    from alembic import command
    from alembic.script import ScriptDirectory

    configuration = alembic_configuration()
    engine = sa.create_engine(
        sqlalchemy_url(database_url),
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": CONNECT_SECONDS_MAX, "application_name": "quantum-trader migrate"},
    )
    try:
        with engine.begin() as connection:
            _take_turn(connection)
            _refuse_newer(connection, ScriptDirectory.from_config(configuration))
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise DatabaseUnavailableError(str(error.orig)) from error
    finally:
        engine.dispose()


def alembic_configuration() -> Config:
    """Where the migrations are and how new ones are named; there is no alembic.ini."""
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    configuration.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s")
    return configuration


def _take_turn(connection: sa.Connection) -> None:
    wait = f"{TURN_SECONDS_MAX}s"
    connection.execute(
        sa.select(*(sa.func.set_config(name, wait, True) for name in ("lock_timeout", "statement_timeout")))
    )
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))


def _refuse_newer(connection: sa.Connection, scripts: ScriptDirectory) -> None:
    from alembic.runtime.migration import MigrationContext

    known = {script.revision for script in scripts.walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise DatabaseNewerThanCodeError(
            f"the database is at revision {', '.join(sorted(unknown))}, which this release does not know: "
            "run the release that migrated it, or a newer one"
        )
