"""`./qt login-link`: a link that logs in to the dashboard, once."""

from __future__ import annotations

import click

from app.cli.running_system import running_system, web_url


@click.command(name="login-link")
@click.option("--user", "name", help="Log in as this user; without it, as the operator of this machine, who may all.")
def command(name: str | None) -> None:
    """Print a link that logs a browser in, once, within the hour."""
    with running_system() as system:
        secret = system.users.make_link(name)
    click.echo(f"{web_url()}/login/{secret}")
