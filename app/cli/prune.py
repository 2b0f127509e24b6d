"""`./qt prune`: forget what nobody needs any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from app.adapters.postgres.engine import create_engine
from app.adapters.postgres.retention import Retention
from app.cli.connection import settings_of_running_system
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory
from app.ports import DatabaseUnavailableError

DAYS_DEFAULT = 90
DAYS_MIN = 7


@click.command(name="prune")
@click.option("--days", type=click.IntRange(DAYS_MIN), default=DAYS_DEFAULT, show_default=True, help="What is kept.")
def command(days: int) -> None:
    """Delete signals that ended without an order, equity points and cleared alerts older than DAYS days.

    In small batches, beside the working system. Orders, fills, the ledger, policies and the audit are kept for good.
    """
    settings = read_settings()
    completed = settings_of_running_system(settings, state_directory(settings))
    if completed.database_url is None:
        raise CommandFailure("QT_DATABASE_URL: not set, and nothing runs")
    url = completed.database_url.get_secret_value()
    engine = create_engine(url, application_name="quantum-trader prune", pool_size=1)
    try:
        deleted = Retention(engine)(datetime.now(UTC) - timedelta(days=days))
    except DatabaseUnavailableError as error:
        raise CommandFailure(f"stopped half way, which is harmless: {error}") from error
    finally:
        engine.dispose()
    click.echo(", ".join(f"{count} {table}" for table, count in deleted.items()) + " deleted")
