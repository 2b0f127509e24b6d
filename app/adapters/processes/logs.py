"""Log files of supervised processes: bounded in size, and read back when something fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

TAIL_BYTES_MAX = 8192


def keep_log_bounded(path: Path, *, bytes_max: int) -> None:
    """Move a log that has outgrown `bytes_max` to `NAME.1`, replacing the last one, and go on with an empty file.

    The writer holds the file open for appending, so it is copied and truncated, not renamed; a line written in between
    may be lost.
    """
    if not path.exists() or path.stat().st_size <= bytes_max:
        return
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of a log that say something; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES_MAX))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line for line in lines if line.strip()][-count:]
