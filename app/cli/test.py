"""`./qt test`: the test suite."""

from __future__ import annotations

import os
import sys

import click

from app.cli.browser import ensure_browser
from app.cli.processes import REPOSITORY

# On two cores: some tests wait for minutes of the exchange while others fill a core, so three share the two. Files are
# begun in the order of `tests/conftest.py`: what takes long first, what is short fills up the end.
ALL = (
    *("-m", "not long", "--numprocesses", "3", "--dist", "loadfile", "--no-loadscope-reorder"),
    *("--durations", "10", "--durations-min", "5"),
)


@click.command(name="test", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the tests in the checkout; all arguments go to pytest, paths are relative to the checkout.

    Without arguments: all but those that take minutes each, which are `-m long`.
    """
    # Settings of the caller's own system must not leak into the tests.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QT_") or name == "QT_TEST_DATA"}
    os.chdir(REPOSITORY)
    if not arguments or any("web" in each or "browser" in each or "system" in each for each in arguments):
        ensure_browser()
    pytest = [sys.executable, "-m", "pytest", *(arguments or ALL)]
    os.execve(sys.executable, pytest, kept | {"PYTHONPATH": str(REPOSITORY)})
