"""`./qt down`: stop the system of this state directory, from another terminal."""

from __future__ import annotations

import click

from app.adapters.processes.leftovers import end_leftovers, wait_until_gone
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory

STOP_SECONDS_MAX = 60.0


@click.command(name="down")
def command() -> None:
    """Stop the system that uses this state directory, and wait until nothing of it runs."""
    record = state_directory(read_settings()).read_record()
    supervisor = record.supervisor.find() if record is not None else None
    if record is None or supervisor is None:
        ended = end_leftovers(record)
        click.echo(f"ended what a killed run had left: {', '.join(ended)}" if ended else "nothing runs")
        return
    supervisor.terminate()
    if wait_until_gone([record.supervisor], seconds_max=STOP_SECONDS_MAX):
        raise CommandFailure(f"still stopping after {STOP_SECONDS_MAX:g} s (pid {supervisor.pid})")
    click.echo("stopped")
