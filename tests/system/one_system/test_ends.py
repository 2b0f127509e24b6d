"""A second system beside the first one: every way to end it leaves nothing running, and the next start its data."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.system import RunningSystem, System, assert_nothing_left, processes_of
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(300)]

DEMO_SECONDS_MAX = 40.0


def test_nothing_survives_a_kill_and_the_next_up_works_on_the_same_data(running: RunningSystem, folder: Path) -> None:
    state = folder / "state"
    system = System.of_checkout(state)
    with system.up("--producer") as other:
        assert not set(other.urls.values()) & set(running.urls.values())
        assert "producer" in system.pids()
        token = (state / "operator.token").read_text()
        with httpx.Client(base_url=other.urls["web"], headers={"Authorization": f"Bearer {token.strip()}"}) as web:
            items = wait_until(
                lambda: web.get("/api/signals").json()["items"], seconds=DEMO_SECONDS_MAX, what="a demo signal"
            )
        assert {one["strategy"] for one in items} == {"demo"}
        # Everything at once, as when the machine is reset.
        for process in [other.process, *processes_of(folder)]:
            process.kill()
        other.process.wait(10)
        assert_nothing_left(folder, seconds=10)
        assert system.status()["ready"] is False
    with system.up() as other:
        assert (state / "operator.token").read_text() == token, "the database was made anew"
        assert system.call("check").returncode == 0
        # The supervisor alone: the others must not outlive it.
        other.process.kill()
        other.process.wait(10)
        assert_nothing_left(folder, seconds=10)
    assert running.system.call("check").returncode == 0
