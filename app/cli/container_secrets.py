"""`./qt secrets make DIRECTORY`: the secrets that `docker-compose.yml` reads, one file each."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import click

from app.cli.failure import CommandFailure

# Bind-mounted into containers whose user is not ours, so readable by all; the directory is what keeps others out.
FILE_MODE = 0o444
DIRECTORY_MODE = 0o700


@click.group(name="secrets")
def command() -> None:
    """Passwords and keys for containers."""


@command.command(name="make")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def make(directory: Path) -> None:
    """Write random secrets into DIRECTORY, mode 700; existing files are kept as they are."""
    try:
        for name in make_secrets(directory):
            click.echo(f"made {directory / name}")
    except OSError as error:
        raise CommandFailure(f"cannot write to {directory}: {error.strerror or error}") from error


def make_secrets(directory: Path) -> list[str]:
    """Write what is missing; the names written. Passwords that belong together are written together or not at all."""
    directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    made = []
    for group in (_postgres(), _redis(), _rabbitmq(), _exchange()):
        there = [name for name in group if (directory / name).exists()]
        if there and len(there) < len(group):
            missing = ", ".join(sorted(group.keys() - there))
            raise CommandFailure(f"{directory} has {', '.join(there)} but not {missing}: they belong together")
        for name, value in group.items() if not there else ():
            path = directory / name
            path.write_text(value + "\n")
            path.chmod(FILE_MODE)
            made.append(name)
    return made


def _postgres() -> Mapping[str, str]:
    password = secrets.token_urlsafe(32)
    return {"postgres_password": password, "database_url": f"postgresql://qt:{password}@postgres:5432/qt"}


def _redis() -> Mapping[str, str]:
    password = secrets.token_urlsafe(32)
    # As the embedded server's: a broker that forgets keys on its own would lose work silently.
    settings = (
        *("bind * -::*", "port 6379", "dir /data", f"requirepass {password}", 'save ""', "appendonly yes"),
        *("appendfsync everysec", "maxmemory 512mb", "maxmemory-policy noeviction", "tcp-keepalive 60"),
    )
    return {"redis_configuration": "\n".join(settings), "redis_url": f"redis://:{password}@redis:6379/0"}


def _rabbitmq() -> Mapping[str, str]:
    """Read only where the profile `rabbitmq` is asked for."""
    password = secrets.token_urlsafe(32)
    settings = ("listeners.tcp.default = 5672", "default_user = qt", f"default_pass = {password}")
    return {
        "rabbitmq_configuration": "\n".join(settings),
        "broker_url": f"amqp://qt:{password}@rabbitmq:5672/%2F",
    }


def _exchange() -> Mapping[str, str]:
    return {"exchange_key": secrets.token_hex(32), "exchange_secret": secrets.token_hex(32)}
