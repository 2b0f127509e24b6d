"""How many round trips to Redis things cost: counted by the server, so a slow machine changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
import redis

from app.adapters.redis.admission_window import RedisAdmissionWindow
from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import RedisLink, connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.ports import Lane, Offer, RateLimits

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CALLS = 20


@pytest.fixture
def link(fresh_redis: str) -> Iterator[RedisLink]:
    opened = connect(fresh_redis)
    yield opened
    opened.close()


def round_trips(redis_url: str, call: Callable[[], object]) -> tuple[float, int]:
    """Reads that the server made for each call, and runs of a script: the first two calls of all are not counted."""
    for _ in range(2):
        call()  # connects, loads the script
    with redis.Redis.from_url(redis_url) as observer:
        observer.config_resetstat()
        before = observer.info("stats")["total_reads_processed"]
        for _ in range(CALLS):
            call()
        # One read is the observer's own question.
        reads = observer.info("stats")["total_reads_processed"] - before - 1
        scripts = observer.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    return reads / CALLS, scripts


@pytest.mark.parametrize("batch", [1, 25, 500])
def test_an_offer_to_a_full_window_is_one_round_trip_however_many_signals_it_brings(
    link: RedisLink, fresh_redis: str, batch: int
) -> None:
    window = RedisAdmissionWindow(link, capacity=100)
    numbers = iter(range(10**6))

    def offer() -> None:
        window.offer(
            [
                Offer(
                    signal_id=f"s{number}",
                    confidence=Decimal(number % 100) / 100,
                    received_at=NOW,
                    expires_at=NOW + timedelta(seconds=30),
                )
                for number in (next(numbers) for _ in range(batch))
            ],
            now=NOW,
        )

    trips, scripts = round_trips(fresh_redis, offer)
    assert scripts == CALLS
    # A large request may reach the server in more than one piece.
    assert trips == 1 if batch < 500 else trips <= 8


@pytest.mark.parametrize("limit", [10**6, 1], ids=["granted", "refused"])
def test_acquiring_budget_is_at_most_one_round_trip(link: RedisLink, fresh_redis: str, limit: int) -> None:
    budget = RedisRateBudget(
        link, process_share=Fraction(1), shape=BudgetShape(settle_seconds=0.0, ask_again_seconds_max=0.0)
    )
    budget.set_limits(RateLimits(weight_per_minute=limit, orders_per_minute=limit, orders_per_10_seconds=limit))
    trips, scripts = round_trips(fresh_redis, lambda: budget.acquire(weight=1, orders=1, lane=Lane.ENTRY))
    assert trips == 1
    assert scripts == CALLS
