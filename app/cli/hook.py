"""`./qt hook`: addresses that other services post signals to."""

from __future__ import annotations

from datetime import timedelta

import click

from app.cli.running_system import running_system, web_url
from app.cli.token import Lifetime


@click.group(name="hook")
def command() -> None:
    """Webhooks; `./qt token list` and `./qt token revoke` know them too."""


@command.command(name="create")
@click.option("--name", required=True, help="Whom it is for; the producer of its signals.")
@click.option("--expires", type=Lifetime(), help="After how long, e.g. 90d; without it, never.")
def create(name: str, expires: timedelta | None) -> None:
    """Make a TradingView webhook and print its address, once: the secret in it is stored as a hash."""
    with running_system() as system:
        secret = system.issue_token.hook(name=name, lifetime=expires)
    click.echo(f"{web_url()}/api/hooks/tradingview/{secret}")
