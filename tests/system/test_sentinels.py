"""The Redis of a whole system is behind sentinels; its master is killed under a flood: the replica takes over."""

from __future__ import annotations

import time

import pytest

from app.chaos.arena import open_arena
from app.chaos.flood import Flood
from tests.support.sentinels import watched_redis
from tests.support.waiting import wait_until
from tests.support.watched_arena import component, executed, pids, seconds_to_work, settled_promises

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PER_SECOND = 10.0
BEFORE_SECONDS = AFTER_SECONDS = 8.0
FIRST_SECONDS_MAX = 60.0
OURS = ("web", "worker-critical", "worker-orders", "worker-default", "beat", "listener", "health")


def test_window_budget_events_and_tasks_go_on_with_the_replica_and_nothing_promised_is_lost() -> None:
    with (
        watched_redis() as watched,
        open_arena(seed=13, settings={"QT_REDIS_URL": watched.url}, small_disk=False) as arena,
    ):
        wait_until(lambda: arena.unready() is None, seconds=FIRST_SECONDS_MAX, what="the system to be ready")
        before = pids(arena)
        flood = Flood(base_url=arena.urls["web"], token=arena.token, seed=13, per_second=PER_SECOND)
        flood.start()
        time.sleep(BEFORE_SECONDS)
        wait_until(lambda: executed(arena) > 0, seconds=FIRST_SECONDS_MAX, what="signals to become filled orders")
        watched.kill_master()
        back_seconds = seconds_to_work(arena, flood)
        window = wait_until(
            lambda: arena.web.get("/api/snapshot").json()["window"]["occupancy"] is not None,
            seconds=FIRST_SECONDS_MAX,
            what="the window to be known again",
        )
        time.sleep(AFTER_SECONDS)
        flood.stop()
        promises = settled_promises(arena, flood)
        wait_until(lambda: component(arena, "redis")["status"] == "OK", seconds=10, what="Redis to be well")
        wait_until(lambda: arena.unready() is None, seconds=FIRST_SECONDS_MAX, what="the system to be ready again")
        after = pids(arena)
        print(f"at work {back_seconds:.1f} s after the master was killed; {flood.verdicts}; {executed(arena)} executed")
    assert window
    assert {each.name: each.violations for each in promises if not each.holds} == {}
    assert {name: after[name] for name in OURS} == {name: before[name] for name in OURS}
    # A signal that finds no window is a promise all the same: it is stored, and waits on the disk or for the sweep.
    assert set(flood.verdicts) <= {"QUEUED", "REPLACED", "DROPPED", "SPOOLED"}, flood.verdicts
