"""Tells the supervisor that this process works: a file touched at start and again every few seconds."""

from __future__ import annotations

import threading
from pathlib import Path

TOUCH_SECONDS = 2.0


def keep_touching(path: Path | None) -> None:
    """Touch `path` now and every `TOUCH_SECONDS` from a daemon thread; None does nothing."""
    if path is None:
        return
    path.touch()

    def touch_for_ever() -> None:
        pause = threading.Event()
        while not pause.wait(TOUCH_SECONDS):
            path.touch()

    threading.Thread(target=touch_for_ever, name="ready-file", daemon=True).start()
