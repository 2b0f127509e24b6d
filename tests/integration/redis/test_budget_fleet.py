"""A fleet of real clients on one budget against the paper exchange, scaled down: it is the exchange that judges."""

from __future__ import annotations

import pytest

from app.ports import RateLimits
from bench.rate_budget_fleet import MICROSECONDS, Plan, Verdict, at, run, use_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SECOND = MICROSECONDS


def assert_nothing_over(verdict: Verdict) -> None:
    assert verdict.throttled == 0, verdict.statuses
    assert verdict.refused_for_rate == 0
    assert verdict.ten_seconds.within, verdict.ten_seconds
    assert verdict.minute.within, verdict.minute
    assert verdict.outcomes.keys() == {"accepted"}, verdict.outcomes
    assert verdict.statuses.keys() == {"200"}, verdict.statuses


def assert_cancels_were_sent(verdict: Verdict, *, seconds: float) -> None:
    """Nearly every beat, nearly all at once: of so few, and on a busy machine, the last tenth says nothing."""
    assert len(verdict.cancels_sent) > 5 * seconds * 0.7
    assert at(verdict.cancels_sent, 0.9) < 0.25
    assert verdict.cancels_refused == 0
    assert verdict.canceled_orders > 0


def test_the_yardstick_of_these_tests_measures() -> None:
    moments = [9 * SECOND, 10 * SECOND - 1, 10 * SECOND, 19 * SECOND - 1, 19 * SECOND]
    use = use_of(moments, 10 * SECOND, limit=3)
    # The last is exactly ten seconds after the first: together in no window.
    assert (list(use.fixed), use.sliding_max) == ([2, 3], 4)
    assert not use.within
    assert use_of(moments, 10 * SECOND, limit=4).within


def test_a_fleet_uses_95_percent_of_the_minute_is_never_refused_and_cancels_meanwhile() -> None:
    # 180 of the 200 in ten seconds go to entries, so the minute's 240 are used up in the second ten.
    limits = RateLimits(weight_per_minute=2400, orders_per_10_seconds=200, orders_per_minute=240)
    verdict = run(Plan(processes=6, seconds=13.5, limits=limits))
    assert_nothing_over(verdict)
    assert verdict.orders >= 0.95 * limits.orders_per_minute
    assert verdict.ten_seconds.sliding_max >= 0.85 * limits.orders_per_10_seconds
    assert_cancels_were_sent(verdict, seconds=13.5)


def test_with_redis_killed_half_way_nothing_is_refused_either_and_cancels_go_on() -> None:
    # The budget's minute takes ten seconds, with a sixth of the exchange's: seconds show what takes minutes otherwise.
    verdict = run(
        Plan(
            processes=6,
            seconds=22,
            kill_redis_at=4,
            redis_away_seconds=13,
            redis_forgets=True,
            limits=RateLimits(weight_per_minute=6000, orders_per_10_seconds=200, orders_per_minute=1200),
            budget_limits=RateLimits(weight_per_minute=1000, orders_per_10_seconds=200, orders_per_minute=200),
            shape={"weight_window_seconds": 10.0, "orders_long_window_seconds": 10.0},
        )
    )
    assert_nothing_over(verdict)
    by_second = verdict.orders_by_second
    assert sum(by_second[second] for second in range(4)) >= 100
    assert sum(by_second[second] for second in range(5, 14)) == 0  # blind: nobody knows what Redis had granted
    assert sum(by_second[second] for second in range(14, 22)) >= 100  # shares alone, then Redis again
    assert_cancels_were_sent(verdict, seconds=22)
