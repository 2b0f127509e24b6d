"""`./qt user`: people who may log in to the dashboard."""

from __future__ import annotations

import json
import sys

import click

from app.cli.running_system import running_system
from app.domain.access import Role

ROLES = tuple(role.value for role in Role)


@click.group(name="user")
def command() -> None:
    """People who may log in to the dashboard: read, also send signals, or also operate."""


@command.command(name="add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default=Role.READ.value, show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def add(name: str, role: str, password_stdin: bool) -> None:
    """Add a user; asks for the password, which never appears on a command line."""
    password = _password(from_stdin=password_stdin)
    with running_system() as system:
        system.users.add(name=name, role=Role(role), password=password)
    click.echo(f"added {name}, role {role}")


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_users(as_json: bool) -> None:
    """Who may log in."""
    with running_system() as system:
        users = system.users.list()
    if as_json:
        items = [
            {"name": user.name, "role": user.role.value, "created_at": user.created_at.isoformat()} for user in users
        ]
        click.echo(json.dumps({"items": items, "next": None}))
        return
    if not users:
        click.echo("nobody; ./qt login-link prints a link for the operator")
    for user in users:
        click.echo(f"{user.name}  {user.role.value}  since {user.created_at:%Y-%m-%d %H:%M} UTC")


@command.command(name="remove")
@click.argument("name")
def remove(name: str) -> None:
    """Remove a user and log them out everywhere."""
    with running_system() as system:
        system.users.remove(name)
    click.echo(f"removed {name}")


@command.command(name="password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def password(name: str, password_stdin: bool) -> None:
    """Give a user a new password and log them out everywhere."""
    new = _password(from_stdin=password_stdin)
    with running_system() as system:
        system.users.set_password(name=name, password=new)
    click.echo(f"changed the password of {name}")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
