"""Postgres, the truth: tables, migrations, the unit of work and its repositories, read models."""

from app.adapters.postgres import engine_tables  # the engine's tables are part of the schema, whoever asks for it
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
    "engine_tables",
    "migrate",
]
