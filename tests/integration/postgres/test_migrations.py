"""Models and migrations agree, down and up work, two at once are safe, a newer database is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.adapters.postgres import DatabaseNewerThanCodeError, migrate
from app.adapters.postgres.engine import sqlalchemy_url
from app.adapters.postgres.migrate import MIGRATIONS, alembic_configuration
from app.adapters.postgres.tables import metadata
from app.ports import DatabaseUnavailableError

pytestmark = pytest.mark.integration


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(sqlalchemy_url(url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def walk(url: str, direction: str, revision: str) -> None:
    with connected(url) as connection:
        configuration = alembic_configuration()
        configuration.attributes["connection"] = connection
        getattr(command, direction)(configuration, revision)


def catalogue(connection: sa.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """What comparing columns does not see: constraints, indexes with their conditions, identities, defaults."""
    queries = {
        "constraints": """
            SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
            ORDER BY 1, 2""",
        "indexes": """
            SELECT tablename, indexname, indexdef FROM pg_indexes
            WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2""",
        "columns": """
            SELECT table_name, column_name, data_type, is_nullable, column_default, identity_generation
            FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2""",
    }
    return {name: [tuple(row) for row in connection.execute(sa.text(query))] for name, query in queries.items()}


def test_migrations_make_what_the_models_say(fresh_database: str) -> None:
    with connected(fresh_database) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_constraints_indexes_and_defaults_are_those_of_the_models_too(fresh_database: str, empty_database: str) -> None:
    with connected(fresh_database) as migrated, connected(empty_database) as made:
        metadata.create_all(made)
        from_migrations, from_models = catalogue(migrated), catalogue(made)
    for kind, rows in from_models.items():
        assert rows, kind
        assert from_migrations[kind] == rows, kind


def test_every_migration_goes_down_and_up_again(empty_database: str) -> None:
    revisions = [script.revision for script in ScriptDirectory.from_config(alembic_configuration()).walk_revisions()]
    migrate(empty_database)
    with connected(empty_database) as connection:
        before = catalogue(connection)
    for _ in revisions:
        walk(empty_database, "downgrade", "-1")
    with connected(empty_database) as connection:
        assert catalogue(connection) == {"constraints": [], "indexes": [], "columns": []}
    walk(empty_database, "upgrade", "head")
    with connected(empty_database) as connection:
        assert catalogue(connection) == before


def test_migrating_twice_changes_nothing(fresh_database: str) -> None:
    with connected(fresh_database) as connection:
        before = catalogue(connection)
    migrate(fresh_database)
    with connected(fresh_database) as connection:
        assert catalogue(connection) == before


def test_several_may_migrate_at_once(empty_database: str) -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        for migrating in [pool.submit(migrate, empty_database) for _ in range(4)]:
            migrating.result(60)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM account").fetchone() == (1,)


def test_a_database_of_a_newer_release_is_refused(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '20990101_0000'")
    with pytest.raises(DatabaseNewerThanCodeError, match="20990101_0000"):
        migrate(fresh_database)


def test_a_database_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(DatabaseUnavailableError, match="refused"):
        migrate("postgresql://nobody@127.0.0.1:1/nothing")


def test_a_migration_that_fails_half_way_leaves_nothing(empty_database: str) -> None:
    with psycopg.connect(empty_database) as other:
        other.execute("CREATE TABLE signals (id int)")
        other.commit()
        with pytest.raises(sa.exc.ProgrammingError, match="already exists"):
            migrate(empty_database)
        found = other.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert found == [("signals",)]


def test_file_names_begin_with_date_and_time() -> None:
    for path in sorted((MIGRATIONS / "versions").glob("*.py")):
        date, time, _ = path.name.split("_", 2)
        assert (len(date), len(time)) == (8, 4), path.name
        assert (date + time).isdigit(), path.name
