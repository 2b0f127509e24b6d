"""Who may look at Flower: one user, whose password lies in the state directory unless one is given."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from app.adapters.embedded.private_file import write_private
from app.cli.state_directory import StateDirectory
from app.settings import Settings

USER = "operator"
PASSWORD_BYTES = 24


def flower_environment(settings: Settings, state: StateDirectory) -> Mapping[str, str]:
    """What Flower reads of its access; by the environment, for command lines are public."""
    return {"FLOWER_BASIC_AUTH": f"{USER}:{_password(settings, state)}"}


def _password(settings: Settings, state: StateDirectory) -> str:
    if settings.flower_password is not None:
        return settings.flower_password.get_secret_value()
    path = state.flower_password
    if not path.exists():
        write_private(path, secrets.token_urlsafe(PASSWORD_BYTES) + "\n")
    return path.read_text().strip()
