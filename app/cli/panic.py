"""`./qt panic`: the last resort. Needs the exchange and its keys; not Postgres, not Redis, no process of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from app.cli.api_client import open_client
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory
from app.cli.state_directory import StateDirectory
from app.settings import Settings

WORD = "panic"
SECONDS_MAX_DEFAULT = 120.0
TRIP_SECONDS_MAX = 2.0  # how long the web process may take before we go on without it
REASON = "./qt panic"


@click.command(name="panic")
@click.option("--yes", is_flag=True, help="Do not ask for the word.")
@click.option(
    "--seconds-max",
    type=click.FloatRange(10, 3600),
    default=SECONDS_MAX_DEFAULT,
    show_default=True,
    help="Give up after.",
)
def command(yes: bool, seconds_max: float) -> None:
    """Cancel every order and close every position, straight at the exchange.

    Exit code 0 only when the exchange itself reports no open order and no position.
    """
    from app.bootstrap import open_panic

    settings = read_settings()
    state = state_directory(settings)
    settings = _with_exchange(settings, state)
    click.echo(f"exchange: {settings.exchange_url}")
    if not yes and click.prompt(f"everything is canceled and closed; type {WORD} to go on", err=True) != WORD:
        raise CommandFailure("nothing was done")
    _trip_if_it_answers(settings)
    with open_panic(settings, say=click.echo, seconds_max=seconds_max) as panic:
        outcome = panic()
    if not outcome.is_flat:
        raise CommandFailure(
            f"NOT flat after {seconds_max:g} s and {outcome.rounds} rounds: {'; '.join(outcome.left)}; run it again"
        )
    click.echo(f"flat after {outcome.seconds_to_flat:.2f} s, {outcome.orders_sent} orders in {outcome.rounds} rounds")


def _with_exchange(settings: Settings, state: StateDirectory) -> Settings:
    """URL and keys from the environment, else from the file that `up` leaves while it runs, however it ended."""
    if settings.exchange_url and settings.exchange_key and settings.exchange_secret:
        return settings
    try:
        values: Mapping[str, Any] = json.loads(state.connection.read_text())
        found = {name: values[name] for name in ("exchange_url", "exchange_key", "exchange_secret")}
    except FileNotFoundError:
        raise CommandFailure(
            "no exchange to go to: give QT_EXCHANGE_URL, QT_EXCHANGE_KEY and QT_EXCHANGE_SECRET "
            f"({state.connection} is there while ./qt up runs)"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise CommandFailure(
            f"{state.connection} cannot be read ({error}); give QT_EXCHANGE_URL and its keys"
        ) from error
    return Settings.model_validate(settings.model_dump() | found)


def _trip_if_it_answers(settings: Settings) -> None:
    """A system that still trades would open what we close; one that is gone needs no stopping."""
    try:
        with open_client(url=None, token=None) as client:
            response = client.post("/api/ess/trip", json={"reason": REASON}, timeout=TRIP_SECONDS_MAX)
        told = "tripped: nothing new begins" if response.is_success else f"it answers {response.status_code}"
    except Exception as error:  # noqa: BLE001 (whatever is wrong with it must not keep us from the exchange)
        told = f"does not answer ({type(error).__name__}); going on without it"
    click.echo(f"the system's own emergency stop: {told}")
