"""`./qt token`: tokens for the HTTP API."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import click

from app.cli.failure import CommandFailure
from app.cli.running_system import running_system

SCOPES = ("read", "signals", "operate")
_LIFETIME = re.compile(r"([1-9][0-9]{0,5})([mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Lifetime(click.ParamType[timedelta]):
    """e.g. 90d, 12h, 30m."""

    name = "lifetime"

    def convert(self, value: object, parameter: click.Parameter | None, context: click.Context | None) -> timedelta:
        match = _LIFETIME.fullmatch(str(value))
        if match is None:
            self.fail("write it as 90d, 12h or 30m", parameter, context)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.group(name="token")
def command() -> None:
    """Tokens for the HTTP API."""


@command.command(name="create")
@click.option("--name", required=True, help="Whom the token is for; shown wherever it is used.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="May be given again.")
@click.option("--expires", type=Lifetime(), help="After how long, e.g. 90d; without it, never.")
def create(name: str, scopes: tuple[str, ...], expires: timedelta | None) -> None:
    """Make a token and print it, alone; it is stored as a hash and cannot be shown again."""
    with running_system() as system:
        token = system.issue_token(name=name, scopes=scopes, lifetime=expires)
    click.echo(token)


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_tokens(as_json: bool) -> None:
    """Every token that was issued, never the token itself; webhooks have the scope hook."""
    with running_system() as system:
        tokens = system.tokens.list()
    now = datetime.now(UTC)
    items = [
        {
            "name": token.name,
            "mark": token.mark,
            "scopes": sorted(token.scopes),
            "created_at": token.created_at.isoformat(),
            "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
            "revoked_at": None if token.revoked_at is None else token.revoked_at.isoformat(),
            "good": token.is_good(now),
        }
        for token in tokens
    ]
    if as_json:
        click.echo(json.dumps({"items": items, "next": None}))
        return
    for token, item in zip(tokens, items, strict=True):
        end = "revoked" if token.revoked_at else f"until {item['expires_at']}" if token.expires_at else "no end"
        click.echo(f"{token.name}  {token.mark}  {' '.join(sorted(token.scopes))}  {end}")


@command.command(name="revoke")
@click.argument("name")
@click.option("--mark", help="Only the one with this mark; see the list.")
def revoke(name: str, mark: str | None) -> None:
    """Revoke the tokens of that name; a web process notices within seconds."""
    with running_system() as system:
        count = system.tokens.revoke(name, mark=mark)
    if not count:
        raise CommandFailure(f"there is no token {name} to revoke")
    click.echo(f"revoked {count}")
