"""Postgres, the truth: tables, migrations, the unit of work and its repositories, read models."""

# All are part of the schema, whoever asks for it.
from app.adapters.postgres import access_tables, engine_tables, event_tables, protection_tables, throttle_tables
from app.adapters.postgres.engine import create_engine
from app.adapters.postgres.migrate import DatabaseNewerThanCodeError, migrate
from app.adapters.postgres.read_models import PostgresReadModels
from app.adapters.postgres.unit_of_work import PostgresUnitOfWork, PostgresUnitOfWorkFactory

__all__ = [
    "DatabaseNewerThanCodeError",
    "PostgresReadModels",
    "PostgresUnitOfWork",
    "PostgresUnitOfWorkFactory",
    "access_tables",
    "create_engine",
    "engine_tables",
    "event_tables",
    "migrate",
    "protection_tables",
    "throttle_tables",
]
