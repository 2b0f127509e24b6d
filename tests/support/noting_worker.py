"""A Celery worker with our configuration on a broker of a test's choice, whose one task notes when it ran."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.system import REPOSITORY

THREADS = 8


class NotingWorker:
    """The process, and what its task noted."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._notes = folder / "notes"
        self._notes.touch()
        self.log = folder / "worker.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
        command = [
            *(sys.executable, "-m", "celery", "-A", "tests.support.noting_app", "worker"),
            *("--queues", "default", "--pool", "threads", "--concurrency", str(THREADS), "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle"),
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env={**kept, **environment, "QT_TEST_NOTES": str(self._notes)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ran(self) -> list[tuple[int, float]]:
        """Number and time of every run."""
        return [(int(number), float(at)) for number, at in (line.split() for line in self._notes.open())]

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
