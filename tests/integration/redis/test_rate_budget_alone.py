"""A process that cannot ask Redis: what it may take, from when on, and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.ports import Lane, RateLimits, Wait

LIMITS = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)


@dataclass
class Seconds:
    """A clock that stands until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def budget_without_redis(
    clock: Seconds,
    share: Fraction = Fraction(1, 4),
    *,
    safety_share: Fraction | None = None,
    ban_file: Path | None = None,
) -> RedisRateBudget:
    link = connect("redis://127.0.0.1:1/0", monotonic=clock)
    budget = RedisRateBudget(
        link,
        process_share=share,
        safety_share=safety_share,
        shape=BudgetShape(),
        monotonic=clock,
        ban_file=ban_file,
    )
    budget.set_limits(LIMITS)
    return budget


def drain(budget: RedisRateBudget, *, weight: int = 0, orders: int = 0, lane: Lane = Lane.ENTRY) -> tuple[int, Wait]:
    """How many were granted at once, and the answer to the next."""
    granted = 0
    while True:
        wait = budget.acquire(weight=weight, orders=orders, lane=lane)
        if wait is not None:
            return granted, wait
        granted += 1


def keep_looking(budget: RedisRateBudget, clock: Seconds, seconds: float) -> None:
    """Time passes while the process asks every other second."""
    ends = clock.now + seconds
    while clock.now < ends:
        assert budget.acquire(weight=0, orders=1, lane=Lane.ENTRY) is not None
        clock.now = min(clock.now + 2.0, ends)


def test_entries_wait_until_all_that_redis_granted_has_left_the_longest_window() -> None:
    clock = Seconds()
    budget = budget_without_redis(clock)
    granted, wait = drain(budget, orders=1)
    assert (granted, wait.reason) == (0, "redis away")
    assert 0 < wait.seconds <= 1.5  # Redis may be back any moment: ask again soon
    keep_looking(budget, clock, 60.8)
    clock.now += 0.1
    granted, wait = drain(budget, orders=1)
    assert granted == 67  # a quarter of 300 - 30
    assert wait.reason == "share of orders_10s (redis away)"


def test_cancels_and_exits_go_on_at_once_within_the_part_that_redis_never_gives_out() -> None:
    clock = Seconds()
    budget = budget_without_redis(clock)
    # A quarter of half of 1200 weight; a quarter of half of 30 orders in ten seconds, of half of 30 in a minute.
    assert drain(budget, weight=1, lane=Lane.SAFETY)[0] == 150
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 3
    clock.now += 61
    assert drain(budget, weight=1, lane=Lane.SAFETY)[0] == 150


def test_whoever_cancels_and_exits_may_have_a_larger_part_of_what_redis_never_gives_out() -> None:
    clock = Seconds()
    budget = budget_without_redis(clock, Fraction(1, 4), safety_share=Fraction(1, 2))
    assert drain(budget, weight=1, lane=Lane.SAFETY)[0] == 300
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 7
    keep_looking(budget, clock, 61)
    assert drain(budget, orders=1)[0] == 67  # its part of the orders is what it was
    assert drain(budget, weight=1, lane=Lane.SAFETY)[0] == 1200


def test_fills_are_collected_without_redis_too_and_leave_half_to_cancels() -> None:
    clock = Seconds()
    budget = budget_without_redis(clock)
    assert drain(budget, weight=1, lane=Lane.BOOKS)[0] == 75
    assert drain(budget, weight=1, lane=Lane.SAFETY)[0] == 75


def test_all_shares_together_stay_within_the_limits() -> None:
    clock = Seconds()
    budgets = [budget_without_redis(clock, Fraction(1, 16)) for _ in range(16)]
    taken = 0
    for turn in range(32):
        for budget in budgets:
            taken += drain(budget, orders=1, lane=Lane.ENTRY)[0]
        assert (turn * 2 < 60.84) == (taken == 0)
        clock.now += 2.0
    for budget in budgets:
        taken += drain(budget, orders=1, lane=Lane.SAFETY)[0]
    assert 16 * 16 <= taken <= 300


def test_whoever_did_not_look_for_a_while_is_blind_again() -> None:
    clock = Seconds()
    budget = budget_without_redis(clock)
    keep_looking(budget, clock, 58)
    clock.now += 4  # Redis may have been back, and others been granted
    assert drain(budget, orders=1)[0] == 0
    keep_looking(budget, clock, 58)
    assert drain(budget, orders=1)[0] == 0


def test_a_closed_gate_is_remembered() -> None:
    clock = Seconds()
    budget = budget_without_redis(clock)
    budget.close(seconds=90, reason="418")
    clock.now += 30
    assert budget.acquire(weight=1, orders=0, lane=Lane.SAFETY) == Wait(seconds=60.0, reason="closed: 418")
    clock.now += 60
    assert budget.acquire(weight=1, orders=0, lane=Lane.SAFETY) is None


def test_a_ban_survives_a_restart_without_redis(tmp_path: Path) -> None:
    budget_without_redis(Seconds(), ban_file=tmp_path / "gate.json").close(seconds=90, reason="418 banned")
    reborn = budget_without_redis(Seconds(5.0), ban_file=tmp_path / "gate.json")  # its clock begins anywhere
    for lane in Lane:
        wait = reborn.acquire(weight=1, orders=0, lane=lane)
        assert wait is not None
        assert wait.seconds == pytest.approx(90, abs=5)
        assert wait.reason == "closed: 418 banned"


def test_a_process_without_redis_hears_of_a_ban_that_another_one_met(tmp_path: Path) -> None:
    clock = Seconds()
    met, beside = (budget_without_redis(clock, ban_file=tmp_path / "state" / "gate.json") for _ in range(2))
    assert beside.acquire(weight=1, orders=0, lane=Lane.SAFETY) is None
    met.close(seconds=30, reason="429 -1015", orders_only=True)
    wait = beside.acquire(weight=0, orders=1, lane=Lane.SAFETY)
    assert wait is not None
    assert wait.reason == "closed: 429 -1015"
    assert beside.acquire(weight=1, orders=0, lane=Lane.SAFETY) is None
    met.close(seconds=90, reason="418")
    wait = beside.acquire(weight=1, orders=0, lane=Lane.SAFETY)
    assert wait is not None
    assert wait.reason == "closed: 418"
    clock.now += 91
    assert beside.acquire(weight=1, orders=0, lane=Lane.SAFETY) is None


def test_a_disk_that_takes_nothing_leaves_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a directory")
    budget = budget_without_redis(Seconds(), ban_file=tmp_path / "file" / "gate.json")
    budget.close(seconds=90, reason="418")
    assert budget.acquire(weight=1, orders=0, lane=Lane.SAFETY) == Wait(seconds=90.0, reason="closed: 418")


def test_headers_and_limits_that_cannot_be_told_do_no_harm() -> None:
    clock = Seconds()
    budget = budget_without_redis(clock)
    budget.observe(used_weight=5, orders_10s=1, orders_1m=1)
    budget.set_exchange_clock(1)
    budget.set_limits(RateLimits(weight_per_minute=100, orders_per_minute=40, orders_per_10_seconds=40))
    keep_looking(budget, clock, 60.9)
    assert drain(budget, orders=1)[0] == 9  # a quarter of 40 - 4
