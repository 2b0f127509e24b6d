"""The rate budget's promises on a real server under simulated time: whatever arrives when, no limit is passed."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import RedisLink, connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.ports import Lane, RateLimits, Wait
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SECOND = 1_000_000
LIMITS = RateLimits(weight_per_minute=100, orders_per_minute=60, orders_per_10_seconds=20)
SHAPE = BudgetShape(settle_seconds=0.0, header_age_seconds_max=0.0)
_names = count()


@dataclass
class World:
    """Simulated time, and every grant as (time, weight, orders, lane)."""

    link: RedisLink
    now_us: int = 1_763_812_800 * SECOND + 7_654_321
    redis_ahead_us: int = 0
    prefix: str = field(default_factory=lambda: f"test:{{budget-{next(_names)}}}")
    grants: list[tuple[int, int, int, Lane]] = field(default_factory=list)

    def budget(self, *, share: Fraction = Fraction(1), shape: BudgetShape = SHAPE) -> RedisRateBudget:
        """A process' budget."""
        return RedisRateBudget(
            self.link,
            process_share=share,
            shape=shape,
            prefix=self.prefix,
            now_us=lambda: self.now_us + self.redis_ahead_us,
            monotonic=lambda: self.now_us / SECOND,
        )

    def settled(self, *, limits: RateLimits = LIMITS, shape: BudgetShape = SHAPE) -> RedisRateBudget:
        """A budget whose limits are told and which is past the window in which shares alone count."""
        budget = self.budget(shape=shape)
        budget.set_limits(limits)
        self.pass_in_use(budget)
        return budget

    def pass_used(self, microseconds: int, budget: RedisRateBudget) -> None:
        """Time passes, never a minute without anybody asking Redis."""
        while microseconds > 0:
            step = min(microseconds, 30 * SECOND)
            self.now_us += step
            microseconds -= step
            budget.observe(used_weight=0, orders_10s=None, orders_1m=None)

    def pass_in_use(self, budget: RedisRateBudget) -> None:
        """Time passes in which Redis is asked now and then, until nothing is unknown any more."""
        self.pass_used(80 * SECOND, budget)
        assert not budget.status().recovering

    def take(
        self, budget: RedisRateBudget, *, weight: int = 0, orders: int = 0, lane: Lane = Lane.ENTRY
    ) -> Wait | None:
        wait = budget.acquire(weight=weight, orders=orders, lane=lane)
        if wait is None:
            self.grants.append((self.now_us, weight, orders, lane))
        return wait

    def drain(self, budget: RedisRateBudget, *, weight: int = 0, orders: int = 0, lane: Lane = Lane.ENTRY) -> Wait:
        """Take until there is nothing left."""
        for _ in range(10_000):
            wait = self.take(budget, weight=weight, orders=orders, lane=lane)
            if wait is not None:
                return wait
        raise AssertionError("no end of it")


@pytest.fixture
def make_world(fresh_redis: str) -> Iterator[Callable[[], World]]:
    link = connect(fresh_redis)
    yield lambda: World(link)
    link.close()


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    return make_world()


def most_within(moments: Sequence[tuple[int, int]], window_us: int) -> int:
    """The greatest sum of amounts within any half-open window of this length."""
    ordered = sorted(moments)
    times = [at for at, _ in ordered]
    sums = [0]
    for _, amount in ordered:
        sums.append(sums[-1] + amount)
    return max(
        (sums[index + 1] - sums[bisect_right(times, at - window_us)] for index, (at, _) in enumerate(ordered)),
        default=0,
    )


def test_the_yardstick_of_these_tests_measures() -> None:
    assert most_within([(0, 1), (9, 2), (10, 4)], 10) == 6
    assert most_within([(0, 1), (9, 2), (10, 4)], 11) == 7
    assert most_within([], 10) == 0


def assert_no_limit_passed(moments: Sequence[tuple[int, int, int, Lane]], limits: RateLimits) -> None:
    weights = [(at, weight) for at, weight, _, _ in moments]
    orders = [(at, amount) for at, _, amount, _ in moments]
    # Any sliding window: the exchange's fixed ones, wherever they begin, are among them.
    assert most_within(weights, 60 * SECOND) <= limits.weight_per_minute
    assert most_within(orders, 60 * SECOND) <= limits.orders_per_minute
    assert most_within(orders, 10 * SECOND) <= limits.orders_per_10_seconds


requests = st.lists(
    st.tuples(
        # The time until the request: bursts, trickles, and steps close to the windows' ends.
        st.one_of(
            st.integers(0, 50_000),
            st.integers(0, 3 * SECOND),
            st.sampled_from([10 * SECOND, 60 * SECOND, 10 * SECOND - 1, 60 * SECOND + 240_000]),
        ),
        st.integers(0, 40),
        st.integers(0, 5),
        st.sampled_from(list(Lane)),
        st.integers(1, 12),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=requests, seed=st.integers(0, 2**32))
def test_no_fixed_and_no_sliding_window_ever_exceeds_a_limit(
    make_world: Callable[[], World], pattern: list[tuple[int, int, int, Lane, int]], seed: int
) -> None:
    world = make_world()
    budget = world.settled()
    for pause, weight, orders, lane, times in pattern:
        world.now_us += pause
        for _ in range(times):
            world.take(budget, weight=weight, orders=orders, lane=lane)
    assert_no_limit_passed(world.grants, LIMITS)
    # Requests reach the exchange later than they were granted, and not all equally late.
    chance = random.Random(seed)
    spread = round(SHAPE.arrival_spread_seconds * SECOND)
    arrivals = [(at + chance.randrange(spread), *rest) for at, *rest in world.grants]
    assert_no_limit_passed([(at, weight, orders, lane) for at, weight, orders, lane in arrivals], LIMITS)
    # Entries alone keep off the reserve: 50 of 100 weight, 2 of 20 and 2 of 60 orders.
    entries = [grant for grant in world.grants if grant[3] is Lane.ENTRY]
    assert_no_limit_passed(entries, RateLimits(weight_per_minute=50, orders_per_minute=58, orders_per_10_seconds=18))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=requests)
def test_a_wait_is_exact_as_long_as_nobody_else_asks(
    make_world: Callable[[], World], pattern: list[tuple[int, int, int, Lane, int]]
) -> None:
    world = make_world()
    budget = world.settled()
    for pause, weight, orders, lane, times in pattern:
        world.pass_used(pause, budget)
        weight = min(weight, 60)
        for _ in range(times):
            wait = world.take(budget, weight=weight, orders=orders, lane=lane)
            if wait is None:
                continue
            waited = round(wait.seconds * SECOND)
            assert 0 < waited <= 61 * SECOND
            if waited > 2_000:
                world.pass_used(waited - 2, budget)
                assert world.take(budget, weight=weight, orders=orders, lane=lane) is not None
                waited = 2
            world.now_us += waited
            assert world.take(budget, weight=weight, orders=orders, lane=lane) is None
            break


def test_there_is_no_double_burst_at_the_boundary_of_a_minute(world: World) -> None:
    budget = world.settled()
    minute = 60 * SECOND
    world.now_us += minute - world.now_us % minute - SECOND  # one second before the exchange's minute ends
    world.drain(budget, orders=1)
    world.now_us += SECOND + 1
    assert world.take(budget, orders=1) is not None
    assert_no_limit_passed(world.grants, LIMITS)


def test_a_steady_flood_uses_95_percent_of_the_order_budget(world: World) -> None:
    limits = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)
    budget = world.settled(limits=limits)
    starts_at = world.now_us
    while world.now_us < starts_at + 180 * SECOND:
        wait = world.take(budget, orders=1)
        if wait is not None:
            world.now_us += round(wait.seconds * SECOND)
    assert len(world.grants) >= 0.95 * 1200 * 3
    assert_no_limit_passed(world.grants, limits)


@pytest.mark.parametrize("seed", range(6))
def test_a_greedy_flood_keeps_the_limits_however_unequally_late_its_requests_arrive(world: World, seed: int) -> None:
    limits = RateLimits(weight_per_minute=2400, orders_per_minute=100, orders_per_10_seconds=30)
    budget = world.settled(limits=limits)
    chance = random.Random(seed)
    starts_at = world.now_us
    while world.now_us < starts_at + 150 * SECOND:
        wait = world.take(budget, orders=1, lane=Lane.SAFETY)
        if wait is not None:
            world.now_us += round(wait.seconds * SECOND)
        elif chance.random() < 0.2:
            world.now_us += chance.randrange(300_000)  # so that buckets are filled in their middle and at their end
    assert_no_limit_passed(world.grants, limits)
    # At worst one request arrives at once and the one before it as late as may be.
    latest = round(SHAPE.arrival_spread_seconds * SECOND) - 1
    for _ in range(20):
        late = [(at + chance.choice((0, latest)), *rest) for at, *rest in world.grants]
        assert_no_limit_passed([(at, weight, orders, lane) for at, weight, orders, lane in late], limits)
    # Each request that ended a window as late as may be, everything after it at once.
    for turn in {at for at, *_ in world.grants}:
        split = [(at + (latest if at <= turn else 0), *rest) for at, *rest in world.grants]
        assert_no_limit_passed([(at, weight, orders, lane) for at, weight, orders, lane in split], limits)


def test_entries_are_paced_after_a_burst_and_exits_are_not(world: World) -> None:
    limits = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)
    budget = world.settled(limits=limits)
    wait = world.drain(budget, orders=1)
    assert (len(world.grants), wait.reason) == (20, "pace")
    assert wait.seconds == pytest.approx(0.05)  # four at once rather than sixteen processes asking for each
    for _ in range(5):
        assert world.take(budget, orders=1, lane=Lane.SAFETY) is None
    world.now_us += round(wait.seconds * SECOND)
    assert world.drain(budget, orders=1).reason == "pace"
    assert len(world.grants) == 20 + 5 + 3
    while (wait := world.drain(budget, orders=1)).reason == "pace":
        world.now_us += round(wait.seconds * SECOND)
    spread_us = world.grants[-1][0] - world.grants[0][0]
    assert 3 * SECOND < spread_us < 4 * SECOND  # two fifths of the window, less the first burst
    assert wait.reason == "orders_10s"


def test_safety_is_served_at_once_while_entries_flood(world: World) -> None:
    limits = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)
    budget = world.settled(limits=limits)
    for _ in range(300):
        world.now_us += SECOND // 2
        for _ in range(40):
            world.take(budget, weight=1, orders=1)
        # A cancel every half second, an exit every ten seconds: none ever waits.
        assert world.take(budget, weight=1, lane=Lane.SAFETY) is None
        if world.now_us % (10 * SECOND) < SECOND // 2:
            assert world.take(budget, weight=0, orders=1, lane=Lane.SAFETY) is None
    assert_no_limit_passed(world.grants, limits)


def test_fills_that_are_collected_in_a_flood_never_take_what_a_flatten_needs(world: World) -> None:
    budget = world.settled(limits=RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300))
    world.drain(budget, weight=5)  # reconciliation
    assert world.drain(budget, weight=5, lane=Lane.BOOKS).reason == "weight"
    taken = sum(weight for _, weight, _, _ in world.grants)
    assert taken == 1500  # of 2400, half of which are not for entries, and half of those for nobody while Redis answers
    for _ in range(300):
        assert world.take(budget, weight=1, lane=Lane.SAFETY) is None


def test_when_safety_wants_more_than_its_reserve_entries_get_nothing_until_it_has_it(world: World) -> None:
    budget = world.settled()
    world.drain(budget, orders=1)
    wanted, served = 30, 0  # e.g. thirty positions to be flattened
    starts_at = world.now_us
    while served < wanted:
        wait = world.take(budget, orders=1, lane=Lane.SAFETY)
        if wait is None:
            served += 1
            continue
        entry = world.take(budget, orders=1)
        assert entry is not None
        world.now_us += round(wait.seconds * SECOND)
    assert world.now_us - starts_at <= 61 * SECOND
    assert sum(1 for grant in world.grants if grant[0] > starts_at and grant[3] is Lane.ENTRY) == 0
    assert_no_limit_passed(world.grants, LIMITS)


def test_before_the_limits_are_told_fifty_at_once_then_twenty_a_second(world: World) -> None:
    budget = world.budget()
    wait = world.drain(budget, weight=1)
    assert len(world.grants) == 50
    assert wait == Wait(seconds=0.05, reason="burst")
    for _ in range(240):
        world.now_us += SECOND // 20
        world.take(budget, weight=1)
    assert len(world.grants) == 290
    assert world.take(budget, weight=1, lane=Lane.SAFETY) is None  # the burst is our own caution, not the exchange's


def test_told_limits_end_with_their_validity(world: World) -> None:
    budget = world.budget(shape=BudgetShape(settle_seconds=0.0, limits_valid_seconds=30.0))
    budget.set_limits(LIMITS)
    assert budget.status().limits == LIMITS
    world.now_us += 31 * SECOND
    assert budget.status().limits == BudgetShape().limits_default


def test_a_header_corrects_upwards_and_never_downwards(world: World) -> None:
    budget = world.settled()
    world.take(budget, weight=10)
    budget.observe(used_weight=30, orders_10s=None, orders_1m=-1)
    assert budget.status().used.weight_per_minute == 30
    for lower in (5, -1, None, 30):
        budget.observe(used_weight=lower, orders_10s=None, orders_1m=None)
    assert budget.status().used.weight_per_minute == 30
    budget.observe(used_weight=31, orders_10s=None, orders_1m=None)
    assert budget.status().used.weight_per_minute == 31  # to the last unit
    assert budget.status().used.orders_per_minute == 0
    budget.observe(used_weight=None, orders_10s=7, orders_1m=9)
    assert budget.status().used == RateLimits(weight_per_minute=31, orders_per_10_seconds=7, orders_per_minute=9)


def test_a_header_read_just_after_a_minute_began_is_not_taken_for_the_new_minute(world: World) -> None:
    shape = BudgetShape(settle_seconds=0.0, header_age_seconds_max=1.0)
    budget = world.settled(shape=shape)
    minute = 60 * SECOND
    world.now_us += minute - world.now_us % minute + SECOND - 1
    budget.observe(used_weight=99, orders_10s=None, orders_1m=None)
    assert budget.status().used.weight_per_minute == 0
    world.now_us += 1
    budget.observe(used_weight=99, orders_10s=None, orders_1m=None)
    assert budget.status().used.weight_per_minute == 99


def test_the_exchanges_minute_is_told_by_its_own_clock(world: World) -> None:
    shape = BudgetShape(settle_seconds=0.0, header_age_seconds_max=5.0)
    budget = world.settled(shape=shape)
    minute = 60 * SECOND
    world.now_us += minute - world.now_us % minute + 30 * SECOND
    budget.set_exchange_clock((world.now_us + 32 * SECOND) // 1000)  # there the next minute began two seconds ago
    budget.observe(used_weight=50, orders_10s=None, orders_1m=None)
    assert budget.status().used.weight_per_minute == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=st.lists(
        st.tuples(st.integers(0, 4 * SECOND), st.integers(0, 30), st.integers(1, 8)), min_size=5, max_size=60
    ),
    offset_ms=st.integers(-90_000, 90_000),
)
def test_with_foreign_use_seen_in_the_headers_the_exchanges_minute_stays_within_its_limit(
    make_world: Callable[[], World], pattern: list[tuple[int, int, int]], offset_ms: int
) -> None:
    world = make_world()
    budget = world.settled()
    budget.set_exchange_clock(world.now_us // 1000 + offset_ms)
    used: dict[int, int] = {}  # by the exchange's minute
    for pause, foreign, times in pattern:
        world.now_us += pause
        minute = (world.now_us // 1000 + offset_ms) // 60_000
        used[minute] = used.get(minute, 0) + foreign
        budget.observe(used_weight=used[minute], orders_10s=None, orders_1m=None)
        for _ in range(times):
            if world.take(budget, weight=3, lane=Lane.SAFETY) is None:
                used[minute] += 3
                assert used[minute] <= LIMITS.weight_per_minute


def test_a_closed_gate_closes_it_for_every_process_and_lane_and_opens_by_itself(world: World) -> None:
    first, second = world.settled(), world.budget()
    first.close(seconds=5, reason="418 banned")
    first.close(seconds=2, reason="429")  # a shorter one does not open it earlier
    for budget in (first, second):
        for lane in Lane:
            wait = world.take(budget, weight=1, lane=lane)
            assert wait == Wait(seconds=5.0, reason="closed: 418 banned")
    world.now_us += 5 * SECOND
    assert world.take(second, weight=1) is None


def test_a_closed_gate_outlives_a_flushed_redis_by_the_memory_of_whoever_knew(world: World) -> None:
    first, second = world.settled(), world.budget()
    first.close(seconds=30, reason="418 banned")
    assert world.take(second, weight=1) is not None  # so the second knows, too
    world.link.client.flushall()
    world.now_us += SECOND
    assert world.take(second, weight=1, lane=Lane.SAFETY) == Wait(seconds=29.0, reason="closed: 418 banned")
    newcomer = world.budget()
    assert world.take(newcomer, weight=1, lane=Lane.SAFETY) == Wait(seconds=29.0, reason="closed: 418 banned")


def test_a_gate_closed_for_orders_is_shared_and_outlives_a_flushed_redis(world: World) -> None:
    first, second = world.settled(), world.budget()
    first.close(seconds=30, reason="limit passed: status=429,\ncode=-1015", orders_only=True)
    assert second.status().orders_closed_seconds == 30  # so the second knows, too
    assert second.status().closed_seconds == 0
    world.link.client.flushall()
    world.now_us += SECOND
    waits = Wait(seconds=29.0, reason="closed: limit passed: status=429, code=-1015")
    for budget in (second, world.budget()):
        assert world.take(budget, orders=1, lane=Lane.SAFETY) == waits
        assert world.take(budget, weight=1, lane=Lane.SAFETY) is None


def test_a_later_ban_is_told_with_its_own_reason(world: World) -> None:
    first, second = world.settled(), world.budget()
    for seconds, reason in ((5, "429"), (60, "418 banned")):
        first.close(seconds=seconds, reason=reason)
        assert world.take(second, weight=1) == Wait(seconds=float(seconds), reason=f"closed: {reason}")
        world.now_us += 6 * SECOND
    world.link.client.flushall()
    assert world.take(second, weight=1) == Wait(seconds=54.0, reason="closed: 418 banned")


def test_a_flushed_redis_is_told_what_was_granted_by_those_who_saw_it(world: World) -> None:
    budgets = [world.settled(), world.budget(), world.budget()]
    for turn in range(60):
        world.now_us += SECOND // 10
        world.take(budgets[turn % 3], orders=1)
    taken = len(world.grants)
    world.link.client.flushall()
    for turn in range(400):
        world.now_us += SECOND // 10
        world.take(budgets[turn % 3], orders=1)
    assert len(world.grants) > taken
    assert_no_limit_passed(world.grants, LIMITS)
    assert budgets[1].status().limits == LIMITS  # told again by the process that had told them


def test_a_redis_that_came_back_with_an_older_file_is_told_what_it_lost(world: World) -> None:
    first, second = world.settled(), world.budget()
    for _ in range(5):
        world.take(first, orders=1)
    client = world.link.client
    older = {key: client.dump(key) for key in client.keys(f"{world.prefix}*")}
    world.drain(second, orders=1)
    for key, value in older.items():
        client.restore(key, 0, value, replace=True)
    world.now_us += SECOND
    for budget in (second, first):
        world.drain(budget, orders=1)
    assert_no_limit_passed(world.grants, LIMITS)


def test_a_new_state_waits_for_those_who_remember_and_grants_shares_alone_for_a_moment(world: World) -> None:
    shape = BudgetShape(settle_seconds=1.0)
    budget = world.budget(share=Fraction(1, 4), shape=shape)
    budget.set_limits(LIMITS)
    wait = world.take(budget, orders=1)
    assert wait is not None
    assert (wait.seconds, wait.reason) == (1.0, "settling")
    world.now_us += SECOND
    wait = world.drain(budget, orders=1)
    assert len(world.grants) == 4  # a quarter of 18
    assert wait.reason == "share of orders_10s"
    world.now_us += 11 * SECOND
    assert world.drain(budget, orders=1).reason == "orders_10s"
    assert len(world.grants) == 4 + 18


def test_after_a_minute_without_anybody_shares_alone_count_until_those_cut_off_had_time_to_tell(world: World) -> None:
    first, second = world.settled(), world.budget(share=Fraction(1, 4))
    assert world.take(second, orders=1) is None
    world.now_us += 61 * SECOND
    wait = world.drain(second, orders=1)
    assert len(world.grants) == 1 + 4
    assert wait.reason == "share of orders_10s"
    assert wait.seconds == pytest.approx(SHAPE.ask_again_seconds_max)
    world.now_us += 3 * SECOND
    assert world.drain(first, orders=1).reason == "orders_10s"
    assert len(world.grants) == 1 + 18


def test_a_clock_that_is_set_back_counts_longer_and_not_for_ever(world: World) -> None:
    budget = world.settled()
    world.drain(budget, orders=1)
    world.redis_ahead_us = -3600 * SECOND
    wait = world.take(budget, orders=1)
    assert wait is not None
    assert wait.seconds <= 61
    world.now_us += 61 * SECOND
    assert world.take(budget, orders=1) is None


def test_the_state_stays_small_under_a_flood(world: World) -> None:
    budget = world.settled(
        limits=RateLimits(weight_per_minute=10**6, orders_per_minute=10**6, orders_per_10_seconds=10**6)
    )
    for _ in range(3000):
        world.now_us += 50_000
        assert world.take(budget, weight=1, orders=1) is None
    client = world.link.client
    for name in ("weight", "orders_10s", "orders_1m"):
        assert client.llen(f"{world.prefix}:{name}") <= SHAPE.buckets_per_window + 3
    assert len(client.keys(f"{world.prefix}*")) == 4


def test_what_was_taken_without_redis_is_told_when_it_is_back(world: World) -> None:
    budget, other = world.settled(), world.budget()
    world.take(budget, orders=1)
    client = world.link.client
    world.link.client = connect("redis://127.0.0.1:1/0").client  # gone, for this process and the other
    world.link._idle.clear()
    for _ in range(3):
        assert world.take(budget, weight=2, lane=Lane.SAFETY) is None
    world.link.client = client

    def is_back() -> bool:
        world.take(budget, orders=1)
        return not world.link.is_away

    wait_until(is_back, seconds=10, what="the breaker to let a request through")
    taken = sum(weight for _, weight, _, _ in world.grants)
    assert taken >= 6
    assert other.status().used.weight_per_minute == taken


def test_whoever_saw_redis_away_keeps_to_its_share_until_all_have_told_what_they_took_alone(world: World) -> None:
    limits = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)
    world.settled(limits=limits)
    entering = world.budget(share=Fraction(1, 100))
    for _ in range(5):
        assert world.take(entering, orders=1) is None  # with Redis there, shares do not count
    client = world.link.client
    world.link.client = connect("redis://127.0.0.1:1/0").client
    world.link._idle.clear()
    for _ in range(2):
        wait = world.take(entering, orders=1)
        assert wait is not None
        assert wait.reason == "redis away"
    world.link.client = client

    def is_back() -> bool:
        answered = world.take(entering, orders=1)
        assert answered is not None  # not even with the request that finds Redis there again
        return not world.link.is_away

    wait_until(is_back, seconds=10, what="the breaker to let a request through")
    wait = world.take(entering, orders=1)
    assert wait is not None
    assert wait.reason == "share of orders_10s"
    world.now_us += round(SHAPE.ask_again_seconds_max * SECOND) + 1
    assert world.take(entering, orders=1) is None
