"""`./qt throttle`: strategies that were disabled for repeated executions, over HTTP like everybody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from app.cli.api_client import call, open_client
from app.cli.ess import connecting


@click.group(name="throttle")
def command() -> None:
    """Strategies that were disabled for repeated executions."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
@connecting
def list_(as_json: bool, url: str | None, token: str | None) -> None:
    """Which are disabled, which were, and who let them go on."""
    with open_client(url=url, token=token) as client:
        items = call(client, "GET", "/api/throttles")["items"]
    if as_json:
        click.echo(json.dumps(items))
        return
    for item in items:
        _show(item)
    if not items:
        click.echo("no strategy was ever disabled")


@command.command(name="enable")
@click.argument("strategy")
@click.option("--reason", "-m", required=True, help="Kept for the audit.")
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
@connecting
def enable(strategy: str, reason: str, as_json: bool, url: str | None, token: str | None) -> None:
    """Let STRATEGY go on; its executions count anew from now."""
    with open_client(url=url, token=token) as client:
        item = call(client, "POST", "/api/throttles/enable", {"strategy": strategy, "reason": reason})
    if as_json:
        click.echo(json.dumps(item))
    else:
        _show(item)


def _show(item: Mapping[str, Any]) -> None:
    why = f"{item['executions']} executions in {item['symbol']} within {item['window_seconds']} s"
    if item["is_disabled"]:
        click.echo(f"{item['strategy']:<24}DISABLED since {item['disabled_at']}: {why}")
    else:
        click.echo(f"{item['strategy']:<24}enabled {item['enabled_at']} by {item['enabled_by']}, after {why}")
