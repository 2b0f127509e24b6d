"""`./qt restore`: a backup into a new state directory, or into an empty database that is named."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from app.adapters.embedded.failures import EmbeddedServerError
from app.adapters.embedded.placement import place_postgres_binaries
from app.adapters.embedded.postgres import DEATH_SIGNAL, STOP_SIGNAL, clear_stale_locks, prepare_postgres
from app.adapters.embedded.service_user import service_user_if_root
from app.adapters.postgres.dump import DumpError, load_database
from app.adapters.processes.probes import answers_postgres
from app.adapters.processes.specification import ProcessSpec
from app.adapters.processes.supervisor import StartError, Supervisor
from app.cli.backup_archive import FOLDERS, read_archive
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory
from app.cli.state_directory import StateDirectory
from app.settings import Settings


@click.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def command(file: Path) -> None:
    """Load the backup FILE into QT_STATE_DIR, which must hold no database yet (or into an empty QT_DATABASE_URL).

    Make sure that the system it was taken from does not run any more: two on one account take each other's orders for
    strangers'. Then `./qt up`: it migrates, and reconciles the books with the exchange.
    """
    settings = read_settings()
    state = state_directory(settings)
    state.create()
    with state.exclusive():
        if settings.database_url is None and (state.root / "postgres").exists():
            raise CommandFailure(f"{state.root} holds a database already; restore into a new QT_STATE_DIR")
        taken = [name for name in FOLDERS if (state.root / name).exists() and any((state.root / name).iterdir())]
        if taken:
            raise CommandFailure(f"{state.root} holds {' and '.join(taken)} already; restore into a new QT_STATE_DIR")
        try:
            with tempfile.TemporaryDirectory(prefix="qt-restore-", dir=state.root) as work:
                dump = read_archive(file, Path(work))
                asyncio.run(_load(settings, state, dump))
                for name in FOLDERS:
                    if (Path(work) / name).is_dir():
                        shutil.copytree(Path(work) / name, state.root / name, dirs_exist_ok=True)
        except (DumpError, EmbeddedServerError, StartError) as error:
            raise CommandFailure(str(error)) from error
        except OSError as error:
            raise CommandFailure(f"cannot restore into {state.root}: {error.strerror or error}") from error
    click.echo(f"restored into {state.root}; start it with ./qt up")


async def _load(settings: Settings, state: StateDirectory, dump: Path) -> None:
    tools = place_postgres_binaries(service_user_if_root())
    if settings.database_url is not None:
        load_database(settings.database_url.get_secret_value(), dump, tools=tools)
        return
    async with _embedded_database(state) as url:
        await asyncio.to_thread(load_database, url, dump, tools=tools)


@asynccontextmanager
async def _embedded_database(state: StateDirectory) -> AsyncIterator[str]:
    """The new cluster of this state directory, running for as long as it takes."""
    cluster = prepare_postgres(state.root)
    spec = ProcessSpec(
        name="postgres",
        command=cluster.command,
        probe=answers_postgres(cluster.url()),
        log_path=state.log("postgres"),
        environment={"PATH": os.environ.get("PATH", "")},
        user=cluster.user,
        stop_signal=STOP_SIGNAL,
        stop_grace_seconds=20.0,
        death_signal=DEATH_SIGNAL,
        before_start=lambda: clear_stale_locks(cluster),
    )
    supervisor = Supervisor((spec,), on_change=lambda: None)
    supervisor.start()
    try:
        await supervisor.wait_until_ready()
        yield cluster.url()
    finally:
        await supervisor.stop()
