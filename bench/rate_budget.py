"""Acquiring rate budget beside a bare EVALSHA of the same size, and beside what other Python limiters take for it.

Run: `./qt bench budget`. One acquire is judged by three limits (weight a minute, orders a minute, orders in ten
seconds): ours in one call, the others by as many as they need for the same. Limiters that live in one process (ccxt's
throttler) cannot share a budget at all and are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from app.adapters.redis.budget_shape import BudgetShape
from app.adapters.redis.client import LuaScript, RedisLink, connect
from app.adapters.redis.rate_budget import RedisRateBudget
from app.ports import Lane, RateLimits
from bench.peers import as_told, installed
from bench.report.rows import Contender, Missing, Row, Series, Told, ratio_at_least
from bench.report.turns import calls_per_second
from bench.run import Bench

CALLS_PER_ROUND = 50
TARGET = 0.60
PLENTY_PER_MINUTE = 10**7
PLENTY = RateLimits(
    weight_per_minute=PLENTY_PER_MINUTE,
    orders_per_minute=PLENTY_PER_MINUTE,
    orders_per_10_seconds=PLENTY_PER_MINUTE // 2,
)
SCARCE = RateLimits(weight_per_minute=2400, orders_per_minute=1200, orders_per_10_seconds=300)
ANSWER_BYTES = 134

Peers = dict[str, tuple[str, Callable[[], Callable[[], float]]]]


def rows(bench: Bench) -> Iterator[Told]:
    """Granted and refused, acquires a second."""
    link = connect(bench.valkey.url(), answer_seconds_max=5.0)
    try:
        for name, limits, others in (
            ("granted", PLENTY, peers_of(bench.valkey.url(), PLENTY, spent=False)),
            ("refused", SCARCE, peers_of(bench.valkey.url(), SCARCE, spent=True)),
        ):
            contenders = {"ours": acquiring(link, name, limits), "bare EVALSHA": bare_call(link)}
            taken = bench.in_turn({**contenders, **installed(others)}, usual=30, quick=8, warm=2)
            yield Row(
                name=f"budget-acquire-{name}",
                what=f"acquire budget, {name}",
                unit="calls/s",
                ours=taken["ours"],
                limit=taken["bare EVALSHA"],
                peers=as_told(others, taken),
                target=ratio_at_least(TARGET),
            )
            yield ahead(name, taken["ours"], [taken[label] for label in others if label in taken])
    finally:
        link.close()


def ahead(name: str, ours: Series, others: Sequence[Series]) -> Row:
    """Ours against the fastest of the others."""
    fastest: Contender = Missing("other limiters", "not installed")
    if others:
        fastest = max(others, key=lambda each: each.median)
    return Row(
        name=f"budget-ahead-{name}",
        what=f"acquire budget, {name}: against the fastest of the others",
        unit="calls/s",
        ours=ours,
        limit=fastest,
        target=ratio_at_least(1.0),
    )


def acquiring(link: RedisLink, name: str, limits: RateLimits) -> Callable[[], float]:
    """The product's budget; for `refused` everything is taken first."""
    budget = RedisRateBudget(
        link,
        process_share=Fraction(1),
        shape=BudgetShape(settle_seconds=0.0, ask_again_seconds_max=0.0),
        prefix=f"bench:{{budget-{name}}}",
    )
    budget.set_limits(limits)
    return acquiring_by(lambda: budget.acquire(weight=1, orders=1, lane=Lane.ENTRY) is None, spent=name == "refused")


def bare_call(link: RedisLink) -> Callable[[], float]:
    """A script that does nothing, with as many bytes in and out."""
    script = LuaScript(f"return '{'x' * ANSWER_BYTES}'")
    link.client.script_load(script.text)
    keys = [f"bench:{{budget}}:{name}" for name in "abcd"]
    arguments = ("acquire", "", "1763812800000000-0123456789ab", 123456, "", 1, 1, "ENTRY", 0)
    return calls_per_second(
        lambda: link.client.execute_command("EVALSHA", script.digest, len(keys), *keys, *arguments), CALLS_PER_ROUND
    )


def peers_of(redis_url: str, limits: RateLimits, *, spent: bool) -> Peers:
    """Limiters that keep their counts in the same server, each asked about the same three limits."""

    def with_limits(strategy: str) -> Callable[[], Callable[[], float]]:
        def make() -> Callable[[], float]:
            from limits import RateLimitItemPerMinute, RateLimitItemPerSecond, storage, strategies

            limiter = getattr(strategies, strategy)(storage.RedisStorage(redis_url))
            namespace = f"bench-{strategy}-{spent}"
            items = (
                RateLimitItemPerMinute(limits.orders_per_minute, namespace=f"{namespace}-orders"),
                RateLimitItemPerSecond(limits.orders_per_10_seconds, 10, namespace=f"{namespace}-orders"),
                RateLimitItemPerMinute(limits.weight_per_minute, namespace=f"{namespace}-weight"),
            )
            return acquiring_by(lambda: all(limiter.hit(item, "account") for item in items), spent=spent)

        return make

    def with_pyrate() -> Callable[[], float]:
        import redis
        from pyrate_limiter import Duration, Limiter, Rate, RedisBucket

        client = redis.Redis.from_url(redis_url)
        orders = [
            Rate(limits.orders_per_10_seconds, Duration.SECOND * 10),
            Rate(limits.orders_per_minute, Duration.MINUTE),
        ]
        weight = [Rate(limits.weight_per_minute, Duration.MINUTE)]
        limiters = [
            Limiter(RedisBucket.init(each, client, f"bench-pyrate-{spent}-{name}"))
            for name, each in (("orders", orders), ("weight", weight))
        ]
        return acquiring_by(
            lambda: all(limiter.try_acquire("account", blocking=False) for limiter in limiters), spent=spent
        )

    return {
        "limits, fixed window": ("limits", with_limits("FixedWindowRateLimiter")),
        "limits, sliding counter": ("limits", with_limits("SlidingWindowCounterRateLimiter")),
        "limits, moving window": ("limits", with_limits("MovingWindowRateLimiter")),
        "pyrate-limiter": ("pyrate-limiter", with_pyrate),
    }


def acquiring_by(acquire: Callable[[], bool], *, spent: bool) -> Callable[[], float]:
    """Calls of `acquire` a second; `spent`: before each round it is called until it refuses, for limits come back."""

    def measure() -> float:
        while spent and acquire():
            continue
        return calls_per_second(acquire, CALLS_PER_ROUND)()

    return measure
