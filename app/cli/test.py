"""`./qt test`: the test suite."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from app.cli.browser import ensure_browser
from app.cli.processes import REPOSITORY

# On two cores: much of the first stage waits for minutes of the exchange, so three share the cores; a whole
# system keeps a core busy while it starts, so two are under test at a time. Files are begun in the order of
# `tests/conftest.py`: whatever waits first, what is short fills up the end.
SPREAD = ("--dist", "loadfile", "--no-loadscope-reorder", "--durations", "10", "--durations-min", "5")
STAGES: tuple[tuple[str, ...], ...] = (
    ("--ignore", "tests/system", "-m", "not long", "--numprocesses", "3", *SPREAD),
    ("tests/system", "-m", "not long", "--numprocesses", "2", *SPREAD),
)


@click.command(name="test", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the tests in the checkout; all arguments go to pytest, paths are relative to the checkout.

    Without arguments: the tests of parts, then those of whole systems; `-m long` has those that take minutes each.
    """
    # Settings of the caller's own system must not leak into the tests.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QT_") or name == "QT_TEST_DATA"}
    environment = kept | {"PYTHONPATH": str(REPOSITORY)}
    pytest = [sys.executable, "-m", "pytest"]
    os.chdir(REPOSITORY)
    if not arguments or any("web" in each or "browser" in each for each in arguments):
        ensure_browser()
    if arguments:
        os.execve(sys.executable, [*pytest, *arguments], environment)
    codes = [subprocess.run([*pytest, *stage], env=environment, check=False).returncode for stage in STAGES]
    sys.exit(max(codes))
