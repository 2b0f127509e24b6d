"""Jobs that are interrupted stop their systems: none of them runs on without anybody who knows of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from app.chaos.jobs import _end
from tests.support.waiting import wait_until

JOB = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # as the command does: who runs the tests may ignore it
try:
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(60)
finally:
    time.sleep(0.3)
    pathlib.Path(sys.argv[2]).touch()
"""


def test_a_job_that_is_ended_stops_its_system_first(tmp_path: Path) -> None:
    begun, stopped = tmp_path / "begun", tmp_path / "stopped"
    with subprocess.Popen([sys.executable, "-c", JOB, str(begun), str(stopped)], stderr=subprocess.DEVNULL) as job:
        wait_until(begun.exists, seconds=20, what="the job to have begun")
        _end([job])
    assert stopped.exists()
