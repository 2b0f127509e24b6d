"""What every progress board does, the one in Redis and the fake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from app.adapters.redis.client import connect
from app.adapters.redis.progress import RedisProgressBoard
from app.ports import Progress, ProgressBoard, ProgressUnavailableError
from tests.fakes.clock import FakeClock
from tests.fakes.redis import FakeProgressBoard

Rig = tuple[ProgressBoard, Callable[[float], object]]


@pytest.fixture(params=["redis", "fake"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A board, and how to let time pass."""
    if request.param == "fake":
        clock = FakeClock()
        yield FakeProgressBoard(clock.now), clock.advance
        return
    link = connect(request.getfixturevalue("fresh_redis"))
    yield RedisProgressBoard(link), time.sleep
    link.close()


def noted(name: str, **facts: object) -> Progress:
    return Progress(name=name, role="worker", facts=facts)


def test_the_newest_note_of_each_process_is_held_with_its_age(rig: Rig) -> None:
    board, pass_time = rig
    board.note(noted("orders@b", queues=["orders"], done=1))
    board.note(noted("orders@a", queues=["orders"], done=1))
    pass_time(0.05)
    board.note(noted("orders@a", queues=["orders"], done=2))
    first, second = board.all()
    assert (first.name, first.role, first.facts) == ("orders@a", "worker", {"queues": ["orders"], "done": 2})
    assert second.name == "orders@b"
    assert second.age_seconds >= first.age_seconds + 0.04


def test_a_process_that_ends_in_good_order_is_not_missed(rig: Rig) -> None:
    board, _ = rig
    board.note(noted("orders@a"))
    board.forget("orders@a")
    board.forget("never-there")
    assert board.all() == []


def test_without_redis_noting_costs_nothing_and_reading_says_so() -> None:
    link = connect("redis://127.0.0.1:1/0")
    board = RedisProgressBoard(link)
    board.note(noted("orders@a"))
    board.forget("orders@a")
    with pytest.raises(ProgressUnavailableError):
        board.all()
    link.close()
