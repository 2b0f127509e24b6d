"""`./qt up`: the whole system in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from app.cli.failure import CommandFailure
from app.cli.live_word import with_live_word
from app.cli.run_system import run_system
from app.cli.settings import read_settings, state_directory


@click.command(name="up")
@click.option("--market", help="Market of the paper exchange: seed:N, or a folder of one-minute candles as CSV.")
@click.option("--speed", type=float, help="Seconds of market time per second, for recorded candles.")
@click.option("--producer", is_flag=True, help="Also run a producer that sends random signals, for demonstrations.")
@click.option(
    "--engine", is_flag=True, help="Also run the AI engine: it trains on the exchange's candles and forecasts."
)
def command(market: str | None, speed: float | None, producer: bool, engine: bool) -> None:
    """Start the whole system and stay in the foreground; Ctrl-C stops it.

    Prints one line beginning with `ready` on standard output once every process answers, and under it, while there are
    no users, a link that logs in to the dashboard once; everything else goes to standard error. QT_* variables choose
    ports, state directory, servers and exchange.
    """
    settings = read_settings()
    market = absolute_market(market)
    settings = with_live_word(settings)
    state = state_directory(settings)
    state.create()
    with state.exclusive():
        try:
            asyncio.run(run_system(settings, state, market=market, speed=speed, producer=producer, engine=engine))
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            raise CommandFailure(f"cannot go on{where}: {error.strerror or error}") from error


def absolute_market(market: str | None) -> str | None:
    """The exchange runs in another directory: a folder of candles is meant from the caller's."""
    if market is None or market.startswith("seed:"):
        return market
    folder = Path(market).expanduser().absolute()
    if not folder.is_dir():
        raise CommandFailure(f"--market {market}: neither seed:N nor a folder")
    return str(folder)
