"""What the Redis adapters cost beside a bare EVALSHA with the same keys, arguments and answer.

Rounds of both are interleaved on one connection each and compared by the ratio of their medians, so that a noisy
machine disturbs both alike. Run: `python -m bench.redis_window` (a throw-away server is started).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from random import Random

from app.adapters.redis.admission_window import RedisAdmissionWindow, rank_text
from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import LuaScript, RedisLink, connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.ports import Lane, Offer, RateLimits
from tests.support.servers import valkey_server

ROUNDS = 40
CALLS_PER_ROUND = 50
WINDOW_SIZES = (10, 100, 1000)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TARGET = 0.60

_numbers = count()


def seconds_per_call(operation: Callable[[], object]) -> float:
    """The mean of one round."""
    started = time.perf_counter()
    for _ in range(CALLS_PER_ROUND):
        operation()
    return (time.perf_counter() - started) / CALLS_PER_ROUND


def compare(name: str, adapter: Callable[[], object], bare: Callable[[], object]) -> float:
    """Print and return how fast the adapter is, as a part of the bare call's rate."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(seconds_per_call(adapter))
        theirs.append(seconds_per_call(bare))
    our_median, their_median = statistics.median(ours), statistics.median(theirs)
    ratio = their_median / our_median
    print(
        f"{name:<44} {1 / our_median:>8,.0f}/s  bare {1 / their_median:>8,.0f}/s  ratio {ratio:5.2f}"
        f"  (target {TARGET:.2f}: {'met' if ratio >= TARGET else 'MISSED'})",
        flush=True,
    )
    return ratio


def offers(chance: Random, how_many: int) -> list[Offer]:
    return [
        Offer(
            signal_id=f"signal-{next(_numbers):012d}",
            confidence=Decimal(chance.randrange(10**9)) / 10**9,
            received_at=NOW,
            expires_at=NOW + timedelta(seconds=30),
        )
        for _ in range(how_many)
    ]


def bench_window(link: RedisLink, batch: int) -> None:
    """A full window under a flood of random confidences: most offers are dropped, as in the flood it is made for."""
    chance = Random(7)
    bare_script = LuaScript("local a = {} for i = 4, #ARGV, 3 do a[#a + 1] = 'D' end return a")
    link.client.script_load(bare_script.text)
    keys = [f"bench:{{window}}:{name}" for name in ("ranking", "members", "expiry", "counters", "expired")]
    for size in WINDOW_SIZES:
        window = RedisAdmissionWindow(link, capacity=size, prefix=f"bench:{{window-{size}-{batch}}}")
        for _ in range(4):
            for _ in range(-(-size // 500)):
                window.offer(offers(chance, 500), now=NOW)
        made = iter([offers(chance, batch) for _ in range(ROUNDS * CALLS_PER_ROUND)])
        arguments: list[str | int] = ["offer", 1763812800000000, size]
        for offer in offers(chance, batch):
            arguments += (rank_text(offer), offer.signal_id, 1763812830000000)

        def adapter(window: RedisAdmissionWindow = window, made: Iterator[list[Offer]] = made) -> object:
            return window.offer(next(made), now=NOW)

        def bare(arguments: list[str | int] = arguments) -> object:
            return link.client.execute_command("EVALSHA", bare_script.digest, len(keys), *keys, *arguments)

        compare(f"window offer, {batch} a call, {size} in the window", adapter, bare)


def bench_budget(link: RedisLink) -> None:
    plenty = RateLimits(weight_per_minute=10**7, orders_per_minute=10**7, orders_per_10_seconds=10**7)
    scarce = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)
    bare_script = LuaScript(f"return '{'x' * 134}'")
    link.client.script_load(bare_script.text)
    keys = [f"bench:{{budget}}:{name}" for name in "abcd"]

    def bare() -> object:
        arguments = ("acquire", "", "1763812800000000-0123456789ab", 123456, "", 1, 1, "ENTRY", 0)
        return link.client.execute_command("EVALSHA", bare_script.digest, len(keys), *keys, *arguments)

    for name, limits in (("granted", plenty), ("refused", scarce)):
        budget = RedisRateBudget(
            link,
            process_share=Fraction(1),
            shape=BudgetShape(settle_seconds=0.0, ask_again_seconds_max=0.0),
            prefix=f"bench:{{budget-{name}}}",
        )
        budget.set_limits(limits)
        while name == "refused" and budget.acquire(weight=1, orders=1, lane=Lane.ENTRY) is None:
            continue
        compare(f"budget acquire, {name}", lambda b=budget: b.acquire(weight=1, orders=1, lane=Lane.ENTRY), bare)


def main() -> None:
    with valkey_server() as server:
        link = connect(server.url(), answer_seconds_max=5.0)
        for batch in (1, 25):
            bench_window(link, batch)
        bench_budget(link)
        link.close()


if __name__ == "__main__":
    main()
