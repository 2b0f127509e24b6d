"""`./qt run NAME`: one process of the system in the foreground, for containers, systemd and other machines."""

from __future__ import annotations

import os

import click

from app.adapters.metrics.shared_folder import begin, claim
from app.cli.one_process import process_specification
from app.cli.processes import METRICS_VARIABLE
from app.cli.settings import read_settings, state_directory
from app.cli.up import absolute_market


@click.command(name="run")
@click.argument("name")
@click.option("--market", help="Of the paper exchange: seed:N, or a folder of one-minute candles as CSV.")
@click.option("--speed", type=float, help="Of the paper exchange: seconds of market time per second.")
def command(name: str, market: str | None, speed: float | None) -> None:
    """Become the process NAME of the table behind `./qt up`; its log goes to this terminal.

    QT_DATABASE_URL, QT_REDIS_URL and QT_EXCHANGE_URL must name what runs elsewhere.
    """
    settings = read_settings()
    state = state_directory(settings)
    state.create()
    spec = process_specification(name, settings, state, market=absolute_market(market), speed=speed)
    if spec.ready_file is not None:
        spec.ready_file.unlink(missing_ok=True)
    environment = dict(spec.environment)
    if settings.metrics_dir is not None and METRICS_VARIABLE in environment:
        if spec.runs_once:
            begin(settings.metrics_dir)
        environment[METRICS_VARIABLE] = str(claim(settings.metrics_dir, name))
    os.chdir(spec.working_directory)
    # Signals reach the process itself: whoever started us stops it as the supervisor would.
    os.execvpe(spec.command[0], spec.command, environment)
