"""What each check makes of what it sees."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.checks import components as checks
from app.checks.check_list import DEPENDS_ON, all_checks
from app.checks.progress import (
    check_beat,
    check_listener,
    check_policy_age,
    queue_check,
    worker_check,
)
from app.domain.health import Status
from app.flow import Queue
from app.ports import Progress
from tests.fakes.clock import FakeClock
from tests.fakes.redis import FakeProgressBoard, FakeQueueLengths


class World:
    """A system of which only progress is known."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.progress = FakeProgressBoard(self.clock.now)
        self.queue_lengths = FakeQueueLengths(critical=0, orders=0, default=0)
        self.settings = SimpleNamespace(engine=False, broker_url=None)

    def worker(self, name: str, *, policy_age_seconds: float | None = 1.0) -> None:
        facts = {"queues": ["orders"], "policy_age_seconds": policy_age_seconds}
        self.progress.note(Progress(name=name, role="worker", facts=facts))

    def listener(self, *, market: float | None = 0.1, user: float | None = 1.0) -> None:
        facts = {"market_silence_seconds": market, "user_silence_seconds": user}
        self.progress.note(Progress(name="listener@a", role="listener", facts=facts))

    def ask(self, check: Any) -> tuple[Status, str | None]:
        finding = check(self)
        return finding.status, finding.cause


@pytest.fixture
def world() -> World:
    return World()


WORKER = worker_check(Queue.ORDERS)


def test_a_worker_is_judged_by_the_tasks_that_end_in_it(world: World) -> None:
    assert world.ask(WORKER) == (Status.CRITICAL, "no worker has finished anything yet")
    world.worker("orders@a")
    world.clock.advance(2.9)
    assert world.ask(WORKER) == (Status.OK, None)
    world.clock.advance(0.2)
    assert world.ask(WORKER) == (Status.CRITICAL, "no task has ended for 3.1 s")
    assert world.ask(worker_check(Queue.DEFAULT))[0] is Status.CRITICAL, "a worker of another queue does not count"


def test_a_worker_for_the_engine_is_missed_only_where_one_was_asked_for(world: World) -> None:
    assert world.ask(worker_check(Queue.AI)) == (Status.OK, "no AI engine was asked for")
    world.settings.engine = True
    assert world.ask(worker_check(Queue.AI))[0] is Status.CRITICAL


def test_one_deaf_worker_beside_others_degrades_and_is_named_until_it_is_forgotten(world: World) -> None:
    world.worker("orders@deaf")
    world.clock.advance(10)
    world.worker("orders@a")
    assert world.ask(WORKER) == (Status.DEGRADED, "1 of 2 workers end no task: orders@deaf for 10 s")
    world.clock.advance(600)
    world.worker("orders@a")
    assert world.ask(WORKER) == (Status.OK, None)


def test_workers_of_one_queue_take_turns_and_may_each_be_silent_for_longer(world: World) -> None:
    world.worker("orders@a")
    world.worker("orders@b")
    world.clock.advance(5)
    assert world.ask(WORKER) == (Status.OK, None)


@pytest.mark.parametrize("check", [WORKER, queue_check(Queue.ORDERS), check_beat, check_listener, check_policy_age])
def test_without_redis_nothing_is_taken_for_well(world: World, check: Any) -> None:
    world.progress.is_away = world.queue_lengths.is_away = True
    assert world.ask(check)[0] is Status.CRITICAL


@pytest.mark.parametrize(("waiting", "status"), [(199, Status.OK), (200, Status.DEGRADED), (5_000, Status.CRITICAL)])
def test_a_queue_that_grows_is_told(world: World, waiting: int, status: Status) -> None:
    world.queue_lengths.lengths["orders"] = waiting
    assert world.ask(queue_check(Queue.ORDERS))[0] is status


def test_a_queue_that_the_broker_does_not_know_is_not_known_rather_than_empty(world: World) -> None:
    del world.queue_lengths.lengths["orders"]
    assert world.ask(queue_check(Queue.ORDERS)) == (Status.DEGRADED, "not known: the broker has no such queue")
    assert world.ask(queue_check(Queue.AI)) == (Status.OK, "no AI engine was asked for")
    world.settings.engine = True
    assert world.ask(queue_check(Queue.AI))[0] is Status.DEGRADED


def test_the_broker_is_asked_only_where_it_is_another_than_redis(world: World) -> None:
    world.queue_lengths.is_away = True
    assert world.ask(checks.check_broker) == (Status.OK, "Redis carries the tasks")
    world.settings.broker_url = "amqp://h/v"
    assert world.ask(checks.check_broker)[0] is Status.CRITICAL
    world.queue_lengths.is_away = False
    assert world.ask(checks.check_broker) == (Status.OK, None)


def test_beat_is_judged_by_what_it_sends(world: World) -> None:
    assert world.ask(check_beat)[0] is Status.CRITICAL
    world.progress.note(Progress(name="beat", role="beat", facts={}))
    assert world.ask(check_beat)[0] is Status.OK
    world.clock.advance(3.5)
    assert world.ask(check_beat) == (Status.CRITICAL, "beat has sent nothing for 3.5 s")


@pytest.mark.parametrize(
    ("heard", "status", "cause"),
    [
        ({}, Status.OK, None),
        ({"market": 3.5}, Status.CRITICAL, "the market stream has been silent for 3.5 s"),
        ({"market": None}, Status.CRITICAL, "the market stream has said nothing yet"),
        ({"user": 31.0}, Status.DEGRADED, "the user stream has been dead for 31 s; fills are collected by asking"),
    ],
)
def test_a_listener_that_runs_and_hears_nothing_is_not_well(
    world: World, heard: dict[str, float | None], status: Status, cause: str | None
) -> None:
    world.listener(**heard)
    assert world.ask(check_listener) == (status, cause)


def test_a_frozen_listener_is_silent(world: World) -> None:
    world.listener()
    world.clock.advance(4)
    assert world.ask(check_listener) == (Status.CRITICAL, "the listener has noted nothing for 4.0 s")


@pytest.mark.parametrize(
    ("age", "status"),
    [(None, Status.DEGRADED), (5.0, Status.OK), (61.0, Status.DEGRADED), (601.0, Status.CRITICAL)],
)
def test_the_age_of_the_policy_that_workers_decide_by(world: World, age: float | None, status: Status) -> None:
    world.worker("orders@a", policy_age_seconds=age)
    assert world.ask(check_policy_age)[0] is status


@pytest.mark.parametrize(
    ("free", "status"),
    [(2 << 30, Status.OK), (1 << 29, Status.DEGRADED), (1 << 26, Status.CRITICAL)],
)
def test_a_disk_that_fills_up_is_told_before_it_is_full(tmp_path: Any, free: int, status: Status) -> None:
    system = SimpleNamespace(settings=SimpleNamespace(state_dir=tmp_path))
    assert checks.disk_check(lambda _: free)(system).status is status  # type: ignore[arg-type]
    assert checks.disk_check(checks.free_bytes)(system).cause != "unreadable"  # type: ignore[arg-type]


def test_a_disk_that_cannot_be_read_is_critical(tmp_path: Any) -> None:
    system = SimpleNamespace(settings=SimpleNamespace(state_dir=tmp_path / "gone"))
    assert checks.disk_check(checks.free_bytes)(system).status is Status.CRITICAL  # type: ignore[arg-type]


def test_every_component_that_something_depends_on_is_looked_at() -> None:
    looked_at = set(all_checks())
    assert set(DEPENDS_ON) <= looked_at
    assert {root for roots in DEPENDS_ON.values() for root in roots} <= looked_at
