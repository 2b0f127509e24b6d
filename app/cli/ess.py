"""`./qt ess`: the emergency stop, over HTTP like everybody else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from app.cli.api_client import call, open_client
from app.cli.failure import CommandFailure

POLL_SECONDS = 0.2
WAIT_SECONDS_DEFAULT = 60.0

_Command = Callable[..., None]


def connecting(command: _Command) -> _Command:
    """The options by which a command finds the web process."""
    command = click.option("--url", help="Base URL of the web process; default: the one that runs here.")(command)
    return click.option("--token", envvar="QT_TOKEN", help="Default: the operator's own token.")(command)


@click.group(name="ess")
def command() -> None:
    """The emergency stop."""


@command.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
@connecting
def status(as_json: bool, url: str | None, token: str | None) -> None:
    """State, why, and how far a trip has been carried."""
    with open_client(url=url, token=token) as client:
        _show(call(client, "GET", "/api/ess"), as_json=as_json)


@command.command(name="trip")
@click.argument("words", required=False)
@click.option("--reason", "-m", help="Kept for the audit.")
@click.option("--flatten", is_flag=True, help="Also close every position.")
@click.option("--wait", is_flag=True, help="Stay until the trip is safe; exit code 1 if it is not in time.")
@click.option("--wait-seconds", type=click.FloatRange(0, 3600), default=WAIT_SECONDS_DEFAULT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
@connecting
def trip(
    words: str | None,
    reason: str | None,
    flatten: bool,
    wait: bool,
    wait_seconds: float,
    as_json: bool,
    url: str | None,
    token: str | None,
) -> None:
    """Stop: no new entry from now on. Needs no reason, for whoever is in a hurry."""
    began = time.monotonic()
    body = {"reason": reason or words or "by the operator, on the command line", "flatten": flatten}
    with open_client(url=url, token=token) as client:
        stop = call(client, "POST", "/api/ess/trip", body)
        click.echo(f"tripped after {time.monotonic() - began:.2f} s: no new entry can begin", err=True)
        while wait and not stop["safe"]:
            if time.monotonic() - began > wait_seconds:
                _show(stop, as_json=as_json)
                raise CommandFailure(f"not safe after {wait_seconds:g} s; ./qt ess status tells how far it is")
            time.sleep(POLL_SECONDS)
            stop = call(client, "GET", "/api/ess")
        if wait:
            click.echo(f"safe after {time.monotonic() - began:.2f} s", err=True)
    _show(stop, as_json=as_json)


def _with_reason(name: str, path: str, line: str) -> None:
    @command.command(name=name, help=line)
    @click.argument("words", required=False)
    @click.option("--reason", "-m", help="Kept for the audit.")
    @click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
    @connecting
    def change(words: str | None, reason: str | None, as_json: bool, url: str | None, token: str | None) -> None:
        why = reason or words
        if not why:
            raise CommandFailure(f"ess {name} needs a reason: ./qt ess {name} --reason TEXT")
        with open_client(url=url, token=token) as client:
            _show(call(client, "POST", path, {"reason": why}), as_json=as_json)


_with_reason("reset", "/api/ess/reset", "Start the cooldown after a trip that is safe.")
_with_reason("disable", "/api/ess/disable", "Let no automatic trigger act; trip still does.")
_with_reason("enable", "/api/ess/enable", "Arm the automatic triggers again.")


def _show(stop: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(stop))
        return
    for name in ("state", "trip_reason", "tripped_by", "tripped_at", "safe", "cooldown_until", "held_because"):
        if stop.get(name) is not None:
            click.echo(f"{name:<16}{stop[name]}")
    for step in stop.get("steps") or ():
        click.echo(f"  {step['step']:<18}{step['at'] if step['done'] else 'not yet'}")
    click.echo(f"{'trips, resets':<16}{stop['trip_count']}, {stop['reset_count']}")
