"""What every rate budget does towards its callers, the one in Redis and the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

import pytest

from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.ports import Lane, RateBudget, RateLimits, Wait
from tests.fakes.clock import FakeClock
from tests.fakes.redis import FakeRateBudget


class Rig(NamedTuple):
    """A budget and the way to let time pass for it."""

    budget: RateBudget
    advance: Callable[[float], object]


@pytest.fixture(params=["redis", "fake"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    clock = FakeClock()
    if request.param == "fake":
        yield Rig(FakeRateBudget(clock.now), clock.advance)
        return
    link = connect(request.getfixturevalue("fresh_redis"))
    budget = RedisRateBudget(
        link,
        process_share=Fraction(1),
        shape=BudgetShape(settle_seconds=0.0),
        now_us=lambda: round(clock.now().timestamp() * 1_000_000),
        monotonic=lambda: clock.now().timestamp(),
    )
    yield Rig(budget, clock.advance)
    link.close()


def test_a_few_requests_of_either_lane_are_granted_at_once(rig: Rig) -> None:
    rig.budget.set_limits(RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300))
    for lane in Lane:
        assert rig.budget.acquire(weight=1, orders=0, lane=lane) is None
        assert rig.budget.acquire(weight=0, orders=1, lane=lane) is None


def test_a_closed_gate_says_how_long_and_why_to_every_lane_and_opens_by_itself(rig: Rig) -> None:
    rig.budget.close(seconds=20, reason="429 -1003")
    rig.advance(5)
    for lane in Lane:
        wait = rig.budget.acquire(weight=1, orders=0, lane=lane)
        assert isinstance(wait, Wait)
        assert wait.seconds == pytest.approx(15, abs=0.01)
        assert "429 -1003" in wait.reason
    rig.advance(15.001)
    assert rig.budget.acquire(weight=1, orders=0, lane=Lane.ENTRY) is None


def test_a_shorter_closing_does_not_open_a_longer_one(rig: Rig) -> None:
    rig.budget.close(seconds=120, reason="418")
    rig.budget.close(seconds=1, reason="429")
    rig.advance(2)
    wait = rig.budget.acquire(weight=1, orders=0, lane=Lane.SAFETY)
    assert wait is not None
    assert wait.seconds == pytest.approx(118, abs=0.01)


def test_a_gate_closed_for_orders_lets_cancels_and_questions_through(rig: Rig) -> None:
    rig.budget.close(seconds=10, reason="429 -1015", orders_only=True)
    for lane in Lane:
        assert rig.budget.acquire(weight=1, orders=0, lane=lane) is None
        wait = rig.budget.acquire(weight=0, orders=1, lane=lane)
        assert wait is not None
        assert wait.seconds == pytest.approx(10, abs=0.01)
        assert "429 -1015" in wait.reason
    rig.advance(10.001)
    assert rig.budget.acquire(weight=0, orders=1, lane=Lane.ENTRY) is None


def test_of_two_closed_gates_the_one_that_opens_later_counts(rig: Rig) -> None:
    rig.budget.close(seconds=10, reason="429 -1015", orders_only=True)
    rig.budget.close(seconds=5, reason="429 -1003")
    cancel = rig.budget.acquire(weight=1, orders=0, lane=Lane.SAFETY)
    order = rig.budget.acquire(weight=0, orders=1, lane=Lane.SAFETY)
    assert cancel is not None
    assert order is not None
    assert (round(cancel.seconds), round(order.seconds)) == (5, 10)
    rig.budget.close(seconds=120, reason="418")
    order = rig.budget.acquire(weight=0, orders=1, lane=Lane.SAFETY)
    assert order is not None
    assert (round(order.seconds), "418" in order.reason) == (120, True)


def test_headers_that_say_nothing_change_nothing(rig: Rig) -> None:
    rig.budget.observe(used_weight=-1, orders_10s=None, orders_1m=None)
    rig.budget.observe(used_weight=None, orders_10s=-1, orders_1m=-1)
    assert rig.budget.acquire(weight=1, orders=1, lane=Lane.ENTRY) is None
