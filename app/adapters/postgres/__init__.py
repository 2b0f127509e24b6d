"""Postgres, the truth: tables, migrations, the unit of work and its repositories, read models."""

from app.adapters.postgres.engine import create_engine
from app.adapters.postgres.migrate import DatabaseNewerThanCodeError, migrate
from app.adapters.postgres.read_models import PostgresReadModels
from app.adapters.postgres.unit_of_work import PostgresUnitOfWork, PostgresUnitOfWorkFactory

__all__ = [
    "DatabaseNewerThanCodeError",
    "PostgresReadModels",
    "PostgresUnitOfWork",
    "PostgresUnitOfWorkFactory",
    "create_engine",
    "migrate",
]
