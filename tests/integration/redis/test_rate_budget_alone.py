"""A process that cannot ask Redis: what it may take, from when on, and what it remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import connect
from app.adapters.redis.rate_budget import OrdersBegun, RedisRateBudget
from app.ports import Lane, RateLimits, Wait

LIMITS = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)


@dataclass
class Seconds:
    """A clock that stands until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


_opened: list[RedisRateBudget] = []


@pytest.fixture(autouse=True)
def _nobody_goes_on_telling() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().stop_telling()


def budget_without_redis(
    clock: Seconds,
    share: Fraction = Fraction(1, 4),
    *,
    safety_share: Fraction | None = None,
    exit_share: Fraction | None = None,
    orders_begun: OrdersBegun | None = None,
    ban_file: Path | None = None,
) -> RedisRateBudget:
    link = connect("redis://127.0.0.1:1/0", monotonic=clock)
    budget = RedisRateBudget(
        link,
        process_share=share,
        safety_share=safety_share,
        exit_share=exit_share,
        orders_begun=orders_begun,
        shape=BudgetShape(),
        monotonic=clock,
        ban_file=ban_file,
    )
    _opened.append(budget)
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


def test_protective_orders_never_take_what_exits_need() -> None:
    clock = Seconds()
    budget = budget_without_redis(clock, exit_share=Fraction(1))
    assert drain(budget, orders=1, lane=Lane.PROTECTION)[0] == 7  # half of the half of 30
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 8


@dataclass
class Records:
    """What the database tells of orders begun lately, or None while it is away; and how often it was asked."""

    begun: tuple[int, int] | None
    asked: int = 0

    def __call__(self) -> tuple[int, int] | None:
        self.asked += 1
        return self.begun


def test_exits_find_what_the_records_of_all_orders_leave_of_the_limits() -> None:
    clock, records = Seconds(), Records(begun=(40, 400))
    budget = budget_without_redis(clock, Fraction(1, 4), exit_share=Fraction(1), orders_begun=records)
    assert budget.acquire(weight=0, orders=1, lane=Lane.SAFETY) is None  # the absence is noticed
    clock.now += 1.1
    # Nobody enters: of 300 - 15 orders in ten seconds 40 are taken. The process keeps to its own quarter of 300, beside
    # the 15 that Redis never gives out.
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 75 - 1 + 15 - 1
    assert records.asked <= 2  # a count serves for a while
    assert drain(budget, orders=1, lane=Lane.ENTRY)[0] == 0


def test_what_others_took_is_not_there_for_exits() -> None:
    clock, records = Seconds(), Records(begun=(260, 1100))
    budget = budget_without_redis(clock, Fraction(1, 4), exit_share=Fraction(1), orders_begun=records)
    assert budget.acquire(weight=0, orders=1, lane=Lane.SAFETY) is None
    clock.now += 1.1
    # 285 - 260 by the records, the first included, and the 15 that Redis never gave out to anybody.
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 25 - 1 + 15 - 1
    clock.now += 11
    assert budget.acquire(weight=0, orders=1, lane=Lane.SAFETY) is not None  # Redis may have been back in between
    clock.now += 1.1
    records.begun = (0, 1140)
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 6  # of the minute 1185 - 1140 less the 39 of its own


def test_before_those_who_were_granted_wrote_it_down_records_count_for_nothing() -> None:
    clock, records = Seconds(), Records(begun=(0, 0))
    budget = budget_without_redis(clock, Fraction(1, 4), exit_share=Fraction(1), orders_begun=records)
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 15
    assert records.asked == 0


def test_without_records_exits_keep_to_what_redis_never_gives_out() -> None:
    clock, records = Seconds(), Records(begun=None)
    budget = budget_without_redis(clock, Fraction(1, 4), exit_share=Fraction(1), orders_begun=records)
    budget.acquire(weight=0, orders=1, lane=Lane.SAFETY)
    clock.now += 1.1
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 14


def test_protective_orders_take_half_of_what_the_records_leave() -> None:
    clock, records = Seconds(), Records(begun=(245, 400))
    budget = budget_without_redis(clock, Fraction(1, 4), exit_share=Fraction(1), orders_begun=records)
    assert drain(budget, orders=1, lane=Lane.PROTECTION)[0] == 7
    clock.now += 1.1
    assert drain(budget, orders=1, lane=Lane.PROTECTION)[0] == 13  # half of 285 - 245, less the seven
    assert drain(budget, orders=1, lane=Lane.SAFETY)[0] == 20 + 8  # the other half, and what was kept back


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
