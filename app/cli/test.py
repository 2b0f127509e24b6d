"""`./qt test`: the test suite."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from app.cli.processes import REPOSITORY

# Whole systems are started one after another, on a machine that does nothing else: what they measure is time.
# The recovery tests judge seconds of real workers and are not steady beside a second pytest process yet: they are
# run on their own (`./qt test tests/recovery`).
STAGES: tuple[tuple[str, ...], ...] = (
    ("-m", "not system", "--ignore", "tests/recovery", "--numprocesses", "2", "--dist", "loadfile"),
    ("-m", "system", "--ignore", "tests/recovery"),
)


@click.command(name="test", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the tests in the checkout; all arguments go to pytest, paths are relative to the checkout.

    Without arguments: everything, first what runs side by side on two cores, then the tests of whole systems.
    """
    # Settings of the caller's own system must not leak into the tests.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QT_") or name == "QT_TEST_DATA"}
    environment = kept | {"PYTHONPATH": str(REPOSITORY)}
    pytest = [sys.executable, "-m", "pytest"]
    os.chdir(REPOSITORY)
    if arguments:
        os.execve(sys.executable, [*pytest, *arguments], environment)
    codes = [subprocess.run([*pytest, *stage], env=environment, check=False).returncode for stage in STAGES]
    sys.exit(max(codes))
