"""The guard goes on through whatever a single run ends with, and stops when told."""

from __future__ import annotations

import threading

import pytest

from app.ports import DatabaseUnavailableError, ExchangeError
from tasks.guard import keep_guarding

WAIT_SECONDS = 10


@pytest.mark.parametrize("error", [DatabaseUnavailableError("away"), ExchangeError("away"), KeyError("a bug")])
def test_the_guard_outlives_a_run_that_fails_and_does_the_other_work_too(error: Exception) -> None:
    runs: list[str] = []
    often_enough, stop = threading.Event(), threading.Event()

    def fails() -> None:
        runs.append("fails")
        raise error

    def works() -> None:
        runs.append("works")
        if runs.count("works") == 3:
            often_enough.set()

    thread = keep_guarding([fails, works], stop=stop, seconds=0.001)
    assert often_enough.wait(WAIT_SECONDS)
    stop.set()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
    assert runs[:4] == ["fails", "works", "fails", "works"]
