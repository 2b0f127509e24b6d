"""A migrated database of its own for each test, with units of work and read models on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.adapters.postgres import PostgresReadModels, PostgresUnitOfWorkFactory, create_engine
from tests.fakes.redis import FakeEvents


@pytest.fixture
def engine(fresh_database: str) -> Iterator[sa.Engine]:
    engine = create_engine(fresh_database, application_name="test", pool_size=4)
    yield engine
    engine.dispose()


@pytest.fixture
def events() -> FakeEvents:
    return FakeEvents()


@pytest.fixture
def begin(engine: sa.Engine, events: FakeEvents) -> PostgresUnitOfWorkFactory:
    return PostgresUnitOfWorkFactory(engine, events)


@pytest.fixture
def reads(engine: sa.Engine) -> PostgresReadModels:
    return PostgresReadModels(engine)
