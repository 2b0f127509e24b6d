"""`./qt token`: tokens for the HTTP API."""

from __future__ import annotations

import click

from app.cli.connection import settings_of_running_system
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory

SCOPES = ("read", "signals", "operate")


@click.group(name="token")
def command() -> None:
    """Tokens for the HTTP API."""


@command.command(name="create")
@click.option("--name", required=True, help="Whom the token is for; shown wherever it is used.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="May be given again.")
def create(name: str, scopes: tuple[str, ...]) -> None:
    """Make a token and print it, alone; it is stored as a hash and cannot be shown again."""
    from app.bootstrap import open_system

    settings = read_settings()
    with open_system(settings_of_running_system(settings, state_directory(settings))) as system:
        try:
            token = system.issue_token(name=name, scopes=scopes)
        except ValueError as error:
            raise CommandFailure(str(error)) from error
    click.echo(token)
