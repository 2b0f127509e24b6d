"""A process that takes as much budget as it gets and writes down when; run by the tests, windows scaled down."""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from typing import Any

from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.ports import Lane, RateLimits

# The exchange's minute in two seconds, its ten seconds in half a second; the same proportions otherwise.
SHAPE = BudgetShape(
    weight_window_seconds=2.0,
    orders_short_window_seconds=0.5,
    orders_long_window_seconds=2.0,
    arrival_spread_seconds=0.008,
    header_age_seconds_max=0.05,
    settle_seconds=0.25,
    ask_again_seconds_max=2.5,
)
LIMITS = RateLimits(weight_per_minute=4000, orders_per_minute=300, orders_per_10_seconds=100)
NAP_SECONDS_MAX = 0.05


class Recorded(RedisRateBudget):
    """Keeps when Redis decided, by Redis' clock; what is decided without Redis is stamped by the machine's."""

    granted_at_us: int = 0

    def _absorb(self, reply: Any, told: tuple[int, int, int]) -> None:
        self.granted_at_us = reply.answered_at_us if reply.verdict == b"G" else 0
        super()._absorb(reply, told)


def main(url: str, share: str) -> None:
    budget = Recorded(connect(url), process_share=Fraction(share), shape=SHAPE)
    budget.set_limits(LIMITS)
    print("ready", flush=True)
    ends_at = float(sys.stdin.readline())
    lines: list[str] = []
    turn = 0
    while time.time() < ends_at:
        turn += 1
        lane = Lane.SAFETY if turn % 50 == 0 else Lane.ENTRY
        budget.granted_at_us = 0
        wait = budget.acquire(weight=1, orders=1, lane=lane)
        if wait is None:
            lines.append(f"{budget.granted_at_us or time.time_ns() // 1000} {bool(budget.granted_at_us)}")
        else:
            time.sleep(min(wait.seconds, NAP_SECONDS_MAX, max(0.0, ends_at - time.time())))
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
