"""The bench that finds false alarms finds true ones: a process that freezes in a quiet time does not go unseen."""

from __future__ import annotations

import threading

import psutil
import pytest

from bench.quiet_hour import Seen, watch
from tests.support.system import System, short_directory

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

FROZEN_AFTER_SECONDS = 2.0
WATCHED_SECONDS = 14.0


def test_an_alarm_in_a_quiet_time_is_seen_with_its_cause() -> None:
    seen = Seen()
    with short_directory() as folder, System.of_checkout(folder / "state").up() as running:
        beat = psutil.Process(running.system.pids()["beat"])
        freezing = threading.Timer(FROZEN_AFTER_SECONDS, beat.suspend)
        freezing.start()
        try:
            watch(running, seen, seconds=WATCHED_SECONDS, rate=5.0)
        finally:
            freezing.join()
            beat.resume()
    assert seen.looks > 0
    assert sum(seen.verdicts.values()) > 0
    for expected in ("/ready said 503", "alert open: beat CRITICAL", "times: beat has sent nothing for"):
        assert any(expected in line for line in seen.wrong), seen.wrong
