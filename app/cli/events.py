"""`./qt events`: how far the consumers of the event stream are, and what they could not apply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from app.cli.connection import settings_of_running_system
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory

if TYPE_CHECKING:
    from app.bootstrap import System

LETTERS_MAX = 1_000


@click.group(name="events")
def command() -> None:
    """The consumers of the event stream and their dead letters."""


@command.command(name="status")
def status() -> None:
    """How many events wait, are being applied, or are dead letters."""
    with _system() as system:
        found = system.event_group.status()
    waiting = "not known" if found.waiting is None else f"{found.waiting:,}"
    click.echo(f"waiting {waiting}, unacknowledged {found.unacknowledged:,}, dead {found.dead:,}")


@command.command(name="dead")
def dead() -> None:
    """List the dead letters, oldest first: id, since when, which event, why."""
    with _system() as system:
        for letter in system.event_group.dead(limit=LETTERS_MAX):
            about = f"{letter.event.type} {letter.event.event_id}"
            click.echo(f"{letter.letter_id}  {letter.buried_at.isoformat()}  {about}  {letter.reason}")


@command.command(name="revive")
@click.argument("letter_ids", nargs=-1)
def revive(letter_ids: tuple[str, ...]) -> None:
    """Apply dead letters once more, these or all; those that fail again stay."""
    with _system() as system:
        click.echo(f"applied {system.count_outcomes.revive(letter_ids or None)}")


@command.command(name="discard")
@click.argument("letter_ids", nargs=-1, required=True)
def discard(letter_ids: tuple[str, ...]) -> None:
    """Remove dead letters for good."""
    with _system() as system:
        click.echo(f"removed {system.event_group.discard(letter_ids)}")


@contextmanager
def _system() -> Iterator[System]:
    from app.bootstrap import open_system
    from app.ports import DatabaseUnavailableError, EventsUnavailableError

    settings = read_settings()
    with open_system(settings_of_running_system(settings, state_directory(settings))) as system:
        try:
            yield system
        except (DatabaseUnavailableError, EventsUnavailableError) as error:
            raise CommandFailure(str(error)) from error
