"""How a command ends when it cannot do what was asked: one line, exit code 1."""

from __future__ import annotations

import re

import click


class CommandFailure(click.ClickException):
    """Printed as `qt: MESSAGE` on standard error, with any password in it blotted out."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))

    def show(self, file: object = None) -> None:
        click.echo(f"qt: {self.message}", err=True)


def redact(text: str) -> str:
    """`text` with the passwords of URLs replaced by ***."""
    return re.sub(r"(\w://[^/\s:@]*):[^@\s/]+@", r"\1:***@", text)
