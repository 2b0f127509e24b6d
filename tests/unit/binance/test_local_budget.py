"""A rate budget of one process: exact on a sliding window, closed when told, lower limits taken over by half."""

from __future__ import annotations

import pytest

from app.adapters.binance.local_budget import LocalRateBudget
from app.ports import Lane, RateLimits, Wait


class Ticks:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def budget(ticks: Ticks) -> LocalRateBudget:
    return LocalRateBudget(ticks=ticks)


def take(budget: LocalRateBudget, *, weight: int = 0, orders: int = 0) -> Wait | None:
    return budget.acquire(weight=weight, orders=orders, lane=Lane.SAFETY)


def test_the_weight_of_a_minute_is_given_out_once_and_comes_back_as_it_ages(
    budget: LocalRateBudget, ticks: Ticks
) -> None:
    assert take(budget, weight=1_000) is None
    ticks.now += 10
    assert take(budget, weight=200) is None
    assert take(budget, weight=1) == Wait(seconds=50, reason="weight per minute")
    assert take(budget, weight=1_001) == Wait(seconds=60, reason="weight per minute")
    ticks.now += 50
    assert take(budget, weight=1_000) is None
    assert take(budget, weight=1) == Wait(seconds=10, reason="weight per minute")


def test_orders_count_in_both_windows_and_what_waits_takes_nothing(budget: LocalRateBudget, ticks: Ticks) -> None:
    for _ in range(4):
        assert take(budget, orders=150) is None
        assert take(budget, orders=1) is not None
        ticks.now += 10
    assert take(budget, orders=1) == Wait(seconds=20, reason="orders per minute")
    assert take(budget, weight=1) is None


def test_a_closed_gate_stops_everything_or_only_orders(budget: LocalRateBudget, ticks: Ticks) -> None:
    budget.close(seconds=5, reason="-1015", orders_only=True)
    assert take(budget, weight=1) is None
    assert take(budget, orders=1) == Wait(seconds=5, reason="-1015")
    budget.close(seconds=2, reason="-1003")
    assert take(budget, weight=1) == Wait(seconds=2, reason="-1003")
    ticks.now += 5
    assert take(budget, weight=1, orders=1) is None


def test_lower_limits_are_taken_over_by_half_and_higher_ones_are_not(budget: LocalRateBudget) -> None:
    budget.set_limits(RateLimits(weight_per_minute=100, orders_per_minute=50_000, orders_per_10_seconds=20))
    assert take(budget, weight=50) is None
    assert take(budget, weight=1) is not None
    assert take(budget, orders=10) is None
    assert take(budget, orders=1) is not None
