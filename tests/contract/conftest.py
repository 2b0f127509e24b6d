"""Units of work under test: the fake and the one on Postgres, behind the same names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from app.adapters.embedded.postgres import PostgresCluster
from app.adapters.postgres import PostgresUnitOfWorkFactory, create_engine
from app.adapters.postgres.tables import metadata
from app.ports import UnitOfWorkFactory
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents

# The rows that the first migration leaves.
SEEDS = (
    "INSERT INTO account (id) VALUES (1)",
    "INSERT INTO ess (id, state, trip_count, reset_count, flatten_requested, updated_at)"
    " VALUES (1, 'ARMED', 0, 0, false, now())",
)


@dataclass
class World:
    """A database that is migrated and empty, and what was published after its commits."""

    begin: UnitOfWorkFactory
    events: FakeEvents


@pytest.fixture(scope="session")
def emptied_database(postgres_cluster: PostgresCluster, migrated_template: str) -> Iterator[Callable[[], str]]:
    """Empties one database as migrations leave it and tells its URL: ten times faster than making a new one."""
    name = "contract_tests"
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as administration:
        administration.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY FILE_COPY")
    url = postgres_cluster.url(name)
    everything = ", ".join(table.name for table in metadata.sorted_tables)
    with psycopg.connect(url, autocommit=True) as connection:

        def empty() -> str:
            connection.execute(f"TRUNCATE {everything} RESTART IDENTITY")
            for statement in SEEDS:
                connection.execute(statement)
            return url

        yield empty


@pytest.fixture(params=["fake", pytest.param("postgres", marks=pytest.mark.integration)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    events = FakeEvents()
    if request.param == "fake":
        yield World(FakeUnitOfWorkFactory(FakeDatabase(), events), events)
        return
    engine = create_engine(request.getfixturevalue("emptied_database")(), application_name="test", pool_size=3)
    yield World(PostgresUnitOfWorkFactory(engine, events), events)
    engine.dispose()


@pytest.fixture
def begin(world: World) -> UnitOfWorkFactory:
    return world.begin
