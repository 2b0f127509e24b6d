"""`./qt backup`: everything that cannot be had again, in one file, while the system runs."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from app.adapters.embedded.failures import EmbeddedServerError
from app.adapters.embedded.placement import place_postgres_binaries
from app.adapters.embedded.service_user import service_user_if_root
from app.adapters.postgres.dump import DumpError, dump_database
from app.cli.backup_archive import write_archive
from app.cli.connection import settings_of_running_system
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory

KEPT_DEFAULT = 14


@click.command(name="backup")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--keep", type=click.IntRange(1), default=KEPT_DEFAULT, show_default=True, help="Of those without FILE.")
def command(file: Path | None, keep: int) -> None:
    """Write a backup to FILE, or to `backups/` in the state directory, where the newest ones are kept.

    It holds the database as of one moment, what waits on this machine's disk, and the paper exchange. It holds secrets.
    """
    settings = read_settings()
    state = state_directory(settings)
    completed = settings_of_running_system(settings, state)
    if completed.database_url is None:
        raise CommandFailure("QT_DATABASE_URL: not set, and nothing runs")
    folder = state.root / "backups"
    if file is None:
        folder.mkdir(mode=0o700, exist_ok=True)
        target = folder / f"qt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar"
    else:
        target = file.absolute()
    try:
        tools = place_postgres_binaries(service_user_if_root())
        with tempfile.TemporaryDirectory(prefix="qt-backup-", dir=target.parent) as work:
            dump = Path(work) / "database.dump"
            dump_database(completed.database_url.get_secret_value(), dump, tools=tools)
            # The exchange's record after the database: what was filled in between is found by reconciliation.
            write_archive(target, dump, state.root)
    except (DumpError, EmbeddedServerError) as error:
        raise CommandFailure(str(error)) from error
    except OSError as error:
        raise CommandFailure(f"cannot write {target}: {error.strerror or error}") from error
    click.echo(f"{target} ({target.stat().st_size / 1e6:.1f} MB)")
    if file is None:
        for old in sorted(folder.glob("qt-*.tar"))[:-keep]:
            old.unlink()
