"""`./qt login-link`: a link that logs in to the dashboard, once."""

from __future__ import annotations

import click

from app.cli.settings import read_settings, state_directory
from app.cli.user import running_system


@click.command(name="login-link")
@click.option("--user", "name", help="Log in as this user; without it, as the operator of this machine, who may all.")
def command(name: str | None) -> None:
    """Print a link that logs a browser in, once, within the hour."""
    settings = read_settings()
    with running_system() as system:
        secret = system.users.make_link(name)
    record = state_directory(settings).read_record()
    is_running = record is not None and record.is_running
    url = record.urls["web"] if record is not None and is_running else f"http://127.0.0.1:{settings.web_port}"
    click.echo(f"{url}/login/{secret}")
