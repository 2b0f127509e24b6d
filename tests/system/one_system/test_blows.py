"""A running system takes blows: what dies comes back, what stands still is told."""

from __future__ import annotations

import json
import os
import signal

import httpx
import pytest

from tests.support.system import RunningSystem
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(300)]

RECOVERY_SECONDS_MAX = 40.0
HEALTH_SECONDS_MAX = 15.0  # `python -m bench.health_faults` holds it to five; a test machine may be busy


def restarts_of(running: RunningSystem, name: str) -> int:
    return next(one.restarts for one in running.system.record().processes if one.name == name)


def wait_ready_again(running: RunningSystem) -> None:
    """By the record on the disk, and then in the words of the command, which reads it."""
    wait_until(lambda: running.system.record().ready, seconds=RECOVERY_SECONDS_MAX, what="the system to be ready")
    assert running.system.status()["ready"] is True


@pytest.mark.parametrize("name", ["worker-orders", "web", "beat", "redis", "postgres"])
def test_a_process_that_is_killed_comes_back_and_the_system_is_ready_again(running: RunningSystem, name: str) -> None:
    before, restarts = running.system.pids()[name], restarts_of(running, name)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: restarts_of(running, name) > restarts, seconds=10, what=f"{name} to be restarted")
    wait_ready_again(running)
    assert running.system.pids()[name] != before
    # Workers and web find their servers again by themselves, in their own time.
    wait_until(
        lambda: running.system.call("check").returncode == 0, seconds=RECOVERY_SECONDS_MAX, what="every part to answer"
    )


def test_a_frozen_worker_is_seen_by_status_and_by_check(running: RunningSystem) -> None:
    health = f"{running.urls['health']}/ready"
    frozen = running.system.pids()["worker-critical"]
    os.kill(frozen, signal.SIGSTOP)
    try:
        # Told within seconds, by what it gets done; the supervisor's sign of life takes longer.
        wait_until(lambda: httpx.get(health).status_code == 503, seconds=HEALTH_SECONDS_MAX, what="health to tell")
        assert "worker-critical" in [each["component"] for each in httpx.get(health).json()["reasons"]]
        wait_until(lambda: not running.system.record().ready, seconds=RECOVERY_SECONDS_MAX, what="not ready")
        assert running.system.status()["ready"] is False
        answer = running.system.call("check", "--json")
        assert answer.returncode == 1
        bad = {one["component"] for one in json.loads(answer.stdout)["findings"] if one["status"] == "CRITICAL"}
        assert bad == {"worker-critical"}
    finally:
        os.kill(frozen, signal.SIGCONT)
    wait_until(lambda: httpx.get(health).status_code == 200, seconds=HEALTH_SECONDS_MAX, what="health to be well")
    wait_ready_again(running)
