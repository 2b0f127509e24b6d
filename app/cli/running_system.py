"""The use cases over the running system's database, for commands that need no web process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.bootstrap.system import System
from app.cli.connection import settings_of_running_system
from app.cli.failure import CommandFailure
from app.cli.settings import read_settings, state_directory


@contextmanager
def running_system() -> Iterator[System]:
    """The running system; what it cannot do (`ValueError`) ends the command."""
    from app.bootstrap import open_system

    settings = read_settings()
    with open_system(settings_of_running_system(settings, state_directory(settings))) as system:
        try:
            yield system
        except ValueError as error:
            raise CommandFailure(str(error)) from error


def web_url() -> str:
    """Where the dashboard is."""
    settings = read_settings()
    record = state_directory(settings).read_record()
    is_running = record is not None and record.is_running
    return record.urls["web"] if record is not None and is_running else f"http://127.0.0.1:{settings.web_port}"
