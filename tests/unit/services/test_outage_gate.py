"""The gate before Postgres: closed by failures in a row, opened by its own question, never by a caller's waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.adapters.postgres.outage_gate import GuardedUnitOfWorkFactory, OutageGate
from app.adapters.until_done import UntilDone
from app.ports import DatabaseUnavailableError
from tests.fakes.postgres import FakeDatabase, FakeUnitOfWorkFactory
from tests.fakes.redis import FakeEvents
from tests.support.waiting import wait_until


class Door:
    """A guarded database, and how often it was really asked."""

    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.asked = 0
        inner = FakeUnitOfWorkFactory(self.database, FakeEvents())

        def counted():
            self.asked += 1
            return inner()

        def probe() -> None:
            with inner() as uow:
                uow.control.ess()

        self.seconds = 0.0
        self.gate = OutageGate(probe, pause_seconds=0.01, monotonic=lambda: self.seconds)
        self.begin = GuardedUnitOfWorkFactory(counted, self.gate)

    def use(self) -> None:
        with self.begin() as uow:
            uow.control.ess()
            uow.commit()

    def fail(self) -> None:
        with pytest.raises(DatabaseUnavailableError):
            self.use()


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.gate.close()


def test_callers_are_served_and_one_failure_alone_closes_nothing(door: Door) -> None:
    door.use()
    door.database.is_away = True
    door.fail()
    door.database.is_away = False
    door.use()
    door.database.is_away = True
    door.fail()
    assert not door.gate.is_closed


def test_two_failures_in_a_row_close_it_and_then_nobody_asks_the_database(door: Door) -> None:
    door.database.is_away = True
    door.fail()
    door.fail()
    asked = door.asked
    for _ in range(50):
        door.fail()
    assert door.gate.is_closed
    assert door.asked == asked


def test_while_one_caller_has_waited_for_too_long_nobody_else_is_let_in(door: Door) -> None:
    with door.begin():
        door.seconds += 0.9
        door.use()
        door.seconds += 0.2
        door.fail()
    door.use()


def test_one_failure_that_took_too_long_closes_it(door: Door) -> None:
    with pytest.raises(DatabaseUnavailableError), door.begin() as uow:
        door.database.is_away = True
        door.seconds += 6
        uow.control.ess()
    assert door.gate.is_closed


def test_it_opens_by_itself_when_the_database_is_back(door: Door) -> None:
    door.database.is_away = True
    door.fail()
    door.fail()
    door.database.is_away = False
    wait_until(lambda: not door.gate.is_closed, seconds=10, what="the gate to open")
    door.use()


def test_background_work_runs_until_done_again_after_each_wake_and_outlives_its_failures() -> None:
    answers = iter([False, RuntimeError("once"), True, True])
    called, second_time = threading.Event(), threading.Event()
    count = 0

    def work() -> bool:
        nonlocal count
        count += 1
        if count == 4:
            second_time.set()
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        if count == 3:
            called.set()
        return answer

    thread = UntilDone(work, name="test", pause_seconds=0.01)
    thread.wake()
    thread.wake()
    assert called.wait(10)
    wait_until(lambda: thread._thread is None, seconds=10, what="the thread to end")
    assert count == 3
    thread.wake()
    assert second_time.wait(10)
    thread.stop()


def test_work_that_is_asked_for_while_it_runs_runs_once_more() -> None:
    began, go_on = threading.Event(), threading.Event()
    runs: list[int] = []

    def work() -> bool:
        runs.append(1)
        began.set()
        assert go_on.wait(10)
        return True

    thread = UntilDone(work, name="test", pause_seconds=0.01)
    thread.wake()
    assert began.wait(10)
    thread.wake()
    go_on.set()
    wait_until(lambda: len(runs) == 2, seconds=10, what="the second run")
    thread.stop()
    assert len(runs) == 2
