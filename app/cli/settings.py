"""Settings for commands: the environment, read once, with errors as one line."""

from __future__ import annotations

import os

from app.cli.failure import CommandFailure
from app.cli.state_directory import StateDirectory
from app.settings import Settings, SettingsError


def read_settings() -> Settings:
    """The settings of this environment; what is wrong ends the command."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise CommandFailure(str(error)) from error
    return settings.model_copy(update={"state_dir": settings.state_dir.expanduser().absolute()})


def state_directory(settings: Settings) -> StateDirectory:
    """The state directory that the settings name."""
    return StateDirectory(settings.state_dir)
