"""How fields of a policy are written on a command line: FIELD=VALUE, as the JSON type that the field has."""

from __future__ import annotations

from typing import Any

from app.cli.failure import CommandFailure


def split_assignment(assignment: str) -> tuple[str, str]:
    """Name and text of FIELD=VALUE; what is not one ends the command."""
    name, equals, value = assignment.partition("=")
    if not equals or not name:
        raise CommandFailure(f"not FIELD=VALUE: {assignment}")
    return name, value


def typed_value(name: str, text: str, current: Any) -> Any:
    """The text as the JSON type of `current`, what the field has now; whoever takes it on judges the rest."""
    if isinstance(current, bool):
        if text.lower() not in ("true", "false"):
            raise CommandFailure(f"{name}: true or false, not {text!r}")
        return text.lower() == "true"
    if isinstance(current, int):
        try:
            return int(text)
        except ValueError as error:
            raise CommandFailure(f"{name}: a whole number, not {text!r}") from error
    if isinstance(current, list):
        return [each for each in text.split(",") if each]
    return text
