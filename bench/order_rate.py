"""The share of the exchange's order budget that sixteen processes use, and that it refuses none of them.

Run: `./qt bench orders`. The paper exchange counts, by its own clock and limits; the run is `bench.rate_budget_fleet`.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.ports import RateLimits
from bench.rate_budget_fleet import CANCEL_SECONDS_TARGET, USE_TARGET, Plan, Verdict, at, run
from bench.report.rows import Better, Row, Series, Told, ours_at_least, ours_at_most
from bench.run import Bench

# Two whole minutes: in each sliding one the exchange lets 1,200 through, so no start or end flatters the share.
SECONDS = 120.0
# Twice ten seconds under the limit of ten seconds alone; what the target is about, the minute, takes minutes.
QUICK_SECONDS = 20.0
QUICK_LIMITS = RateLimits(weight_per_minute=2400, orders_per_minute=100_000, orders_per_10_seconds=300)


def rows(bench: Bench) -> Iterator[Told]:
    """Share, refusals, and how soon a cancel in their midst is sent."""
    plan = Plan(seconds=QUICK_SECONDS, limits=QUICK_LIMITS) if bench.quick else Plan(seconds=SECONDS)
    bench.tell(f"orders: {plan.processes} processes for {plan.seconds:.0f} s")
    yield from told(plan, run(plan), quick=bench.quick)


def told(plan: Plan, verdict: Verdict, *, quick: bool) -> Iterator[Told]:
    """The rows of one run."""
    yield Row(
        name="orders-share",
        what=f"order budget used by {plan.processes} processes in {plan.seconds:.0f} s",
        unit="of the exchange's limit",
        ours=Series("ours", [verdict.share_used]),
        target=None if quick else ours_at_least(USE_TARGET),
        note="the limit of 10 s alone; the target is about minutes, in the full run" if quick else "",
    )
    yield Row(
        name="orders-refused",
        what="orders refused for rate, and answers of 429 and 418",
        unit="requests",
        better=Better.LOWER,
        ours=Series("ours", [verdict.refused_for_rate + verdict.throttled]),
        target=ours_at_most(0),
        note=f"of {verdict.orders:,} accepted",
    )
    yield Row(
        name="orders-cancel",
        what="a cancel among them: wanted to sent, p99",
        unit="ms",
        better=Better.LOWER,
        ours=Series("ours", [1000 * at(verdict.cancels_sent, 0.99)]),
        target=ours_at_most(1000 * CANCEL_SECONDS_TARGET),
    )
