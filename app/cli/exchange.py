"""`./qt exchange`: the paper exchange alone, for other clients to try."""

from __future__ import annotations

import os
import sys

import click

from app.cli.processes import REPOSITORY


@click.command(name="exchange", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the paper exchange alone; its own options (--port, --market, --speed, ...) are told by --help."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    os.execve(sys.executable, [sys.executable, "-P", "-m", "app.paper_exchange", *arguments], environment)
