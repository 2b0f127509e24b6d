"""RabbitMQ carries the hints of a whole system under a flood, is killed and comes back: nobody restarts."""

from __future__ import annotations

import time

import pytest

from app.chaos.arena import open_arena
from app.chaos.flood import Flood
from tests.support.rabbitmq import rabbit_server, rabbitmq
from tests.support.waiting import wait_until
from tests.support.watched_arena import component, executed, pids, seconds_to_work, settled_promises

pytestmark = [pytest.mark.long, pytest.mark.rabbitmq, rabbitmq, pytest.mark.timeout(900)]

PER_SECOND = 10.0
BEFORE_SECONDS = AWAY_SECONDS = AFTER_SECONDS = 8.0
NOTICE_SECONDS_MAX = 15.0
FIRST_SECONDS_MAX = 60.0
BACK_SECONDS_MAX = 25.0
WORKERS = ("worker-critical", "worker-orders", "worker-default", "beat")


def test_signals_become_orders_and_a_killed_rabbitmq_loses_none_of_them() -> None:
    with (
        rabbit_server() as rabbit,
        open_arena(seed=11, settings={"QT_BROKER_URL": rabbit.url}, small_disk=False) as arena,
    ):
        wait_until(lambda: arena.unready() is None, seconds=FIRST_SECONDS_MAX, what="the system to be ready")
        before = pids(arena)
        flood = Flood(base_url=arena.urls["web"], token=arena.token, seed=11, per_second=PER_SECOND)
        flood.start()
        time.sleep(BEFORE_SECONDS)
        wait_until(lambda: executed(arena) > 0, seconds=FIRST_SECONDS_MAX, what="signals to become filled orders")
        queues = arena.web.get("/api/system").json()["queues"]
        assert queues["source"] == "rabbitmq"
        assert {"critical", "orders", "default"} <= queues["waiting"].keys()
        rabbit.kill()
        seen = wait_until(
            lambda: (found := component(arena, "broker"))["status"] == "CRITICAL" and found,
            seconds=NOTICE_SECONDS_MAX,
            what="health to miss the broker",
        )
        assert "RabbitMQ" in seen["cause"]
        queues = arena.web.get("/api/system").json()["queues"]
        assert (queues["waiting"], queues["reason"]) == (None, "RabbitMQ does not answer"), "not known, and never 0"
        promised_before = len(flood.promised)
        time.sleep(AWAY_SECONDS)
        promised_away = len(flood.promised) - promised_before
        rabbit.start_again()
        back_seconds = seconds_to_work(arena, flood)
        time.sleep(AFTER_SECONDS)
        flood.stop()
        promises = settled_promises(arena, flood)
        wait_until(lambda: component(arena, "broker")["status"] == "OK", seconds=10, what="the broker to be well")
        after = pids(arena)
        print(f"RabbitMQ {rabbit.version}: at work {back_seconds:.1f} s after it answered again; {flood.verdicts}")
        print(f"{promised_away} signals promised while it was away; {executed(arena)} executed in all")
    assert {each.name: each.violations for each in promises if not each.holds} == {}
    assert {name: after[name] for name in WORKERS} == {name: before[name] for name in WORKERS}
    assert back_seconds < BACK_SECONDS_MAX
    assert promised_away > 0.5 * PER_SECOND * AWAY_SECONDS, "requests waited for a broker that was away"
    assert set(flood.verdicts) <= {"QUEUED", "REPLACED", "DROPPED"}, flood.verdicts
