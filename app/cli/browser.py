"""The browser that the dashboard's tests drive: Debian's Chromium, installed when it is missing and we may."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence

import click

NAMES = ("chromium", "chromium-browser", "google-chrome")
APT = ("apt-get", "-q", "-y", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20")
UPDATE_SECONDS_MAX = 120
INSTALL_SECONDS_MAX = 600
PROGRESS_SECONDS = 10.0


def find_browser() -> str | None:
    """Where a Chromium is; None when there is none."""
    return next((found for found in map(shutil.which, NAMES) if found), None)


def ensure_browser() -> bool:
    """Whether there is a Chromium, after trying to install one; says what it does, and why it could not."""
    if find_browser():
        return True
    missing = "no Chromium: the dashboard's browser tests are SKIPPED"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        _say(f"{missing} (on Debian and Ubuntu: sudo apt-get install chromium)")
        return False
    _say("installing Chromium for the dashboard's tests, once")
    for arguments, seconds_max in (
        (("install", "--no-install-recommends", "chromium"), INSTALL_SECONDS_MAX),
        (("update",), UPDATE_SECONDS_MAX),
        (("install", "--no-install-recommends", "chromium"), INSTALL_SECONDS_MAX),
    ):
        _run([*APT, *arguments], seconds_max=seconds_max)
        if find_browser():
            return True
    _say(f"{missing} (apt-get install chromium failed)")
    return False


def _run(command: Sequence[str], *, seconds_max: float) -> None:
    """Run it, saying every few seconds what it is at; how it ended is seen by whether the browser is there."""
    began = time.monotonic()
    with subprocess.Popen(
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        told = began
        too_long = threading.Timer(seconds_max, process.kill)
        too_long.start()
        for line in process.stdout:
            now = time.monotonic()
            if now - told > PROGRESS_SECONDS or line.startswith("E:"):
                told = now
                _say(f"  {line.strip()[:120]} ({now - began:.0f} s)")
        too_long.cancel()


def _say(message: str) -> None:
    click.echo(f"qt: {message}", err=True)
