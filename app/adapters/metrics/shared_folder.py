"""Counting in one place from many containers: each process in a folder of its own, which tells whether it still lives.

Numbers of processes mean nothing outside of their container, so neither the names of the files nor /proc tell who is
alive. A lock does: the kernel lets go of it when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

LOCK = "alive"


def claim(root: Path, name: str) -> Path:
    """A folder for this process, held until it ends (over an exec too): two of one name on one host get their own."""
    root.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        folder = root / f"{name}@{socket.gethostname()}.{number}"
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            number += 1
            continue
        os.set_inheritable(lock, True)
        return folder


def is_alive(folder: Path) -> bool:
    """Whether the process that counts there has not ended."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def folders(root: Path) -> Iterator[Path]:
    """Of all processes, those that ended included: what they counted goes on counting."""
    return (each for each in sorted(root.glob("*@*")) if each.is_dir())


def begin(root: Path) -> None:
    """Forget what ended processes counted; done once when a system starts, as a restart of every counter."""
    for folder in folders(root):
        if not is_alive(folder):
            shutil.rmtree(folder, ignore_errors=True)
