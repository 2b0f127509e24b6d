"""Offers to the admission window beside a bare EVALSHA with the same keys, arguments and answer, at every size of it.

Run: `./qt bench window`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from app.adapters.redis.admission_window import RedisAdmissionWindow, rank_text
from app.adapters.redis.client import LuaScript, RedisLink, connect
from app.ports import Offer
from bench.report.rows import Curve, Point, Row, Series, Told, ratio_at_least
from bench.report.turns import calls_per_second
from bench.run import Bench

SIZES = (10, 100, 1000, 10_000)
BATCHES = (1, 25)
CALLS_PER_ROUND = 50
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TARGET = 0.60
# "Flat": what a thousand times the size may cost.
FLAT_TARGET = 0.80

_numbers = count()


def rows(bench: Bench) -> Iterator[Told]:
    """Offers a second at each window size, one and twenty-five a call; the largest window against the smallest."""
    link = connect(bench.valkey.url(), answer_seconds_max=5.0)
    try:
        for batch in BATCHES:
            contenders = {size_name(size): offering(link, size, batch) for size in SIZES}
            taken = bench.in_turn({"bare EVALSHA": bare_call(link, batch), **contenders}, usual=40, quick=10, warm=2)
            yield from told(taken, batch)
    finally:
        link.close()


def told(taken: dict[str, Series], batch: int) -> Iterator[Told]:
    """The rows and the curve of one batch size."""
    bare = taken["bare EVALSHA"]
    for size in SIZES:
        yield Row(
            name=f"window-offer-{batch}-in-{size}",
            what=f"offer {batch} to a window of {size:,}",
            unit="calls/s",
            ours=taken[size_name(size)],
            limit=bare,
            target=ratio_at_least(TARGET),
        )
    yield Row(
        name=f"window-flat-{batch}",
        what=f"offer {batch}: a window of {SIZES[-1]:,} against one of {SIZES[0]}",
        unit="calls/s",
        ours=taken[size_name(SIZES[-1])],
        limit=taken[size_name(SIZES[0])],
        target=ratio_at_least(FLAT_TARGET),
    )
    lines = {
        "window": [Point(size, taken[size_name(size)].rounds) for size in SIZES],
        "bare EVALSHA": [Point(size, bare.rounds) for size in SIZES],
    }
    yield Curve(
        name=f"window-{batch}", what=f"Offers of {batch}", x="signals in the window", unit="calls/s", lines=lines
    )


def size_name(size: int) -> str:
    return f"a window of {size:,}"


def offers(how_many: int) -> list[Offer]:
    """Every fourth one better than all before it, the others worse than any: as in the flood that `whole` measures.

    The same at every size of the window; of random ones a large window would take in more than a small one.
    """
    numbers = [next(_numbers) for _ in range(how_many)]
    return [
        Offer(
            signal_id=f"signal-{number:012d}",
            confidence=Decimal(number) / 10**9 if number % 4 == 0 else Decimal(0),
            received_at=NOW,
            expires_at=NOW + timedelta(seconds=30),
        )
        for number in numbers
    ]


def offering(link: RedisLink, size: int, batch: int) -> Callable[[], float]:
    """A full window, as in the flood that it is made for."""
    window = RedisAdmissionWindow(link, capacity=size, prefix=f"bench:{{window-{size}-{batch}}}")
    for _ in range(-(-4 * size // 500)):
        window.offer(offers(500), now=NOW)

    def measure() -> float:
        made = iter([offers(batch) for _ in range(CALLS_PER_ROUND)])  # making them is not measured
        return calls_per_second(lambda: window.offer(next(made), now=NOW), CALLS_PER_ROUND)()

    return measure


def bare_call(link: RedisLink, batch: int) -> Callable[[], float]:
    """A script that does nothing, with as many bytes in and out."""
    script = LuaScript("local a = {} for i = 4, #ARGV, 3 do a[#a + 1] = 'D' end return a")
    link.client.script_load(script.text)
    keys = [f"bench:{{window}}:{name}" for name in ("ranking", "members", "expiry", "counters", "expired")]
    arguments: list[str | int] = ["offer", 1763812800000000, 100]
    for offer in offers(batch):
        arguments += (rank_text(offer), offer.signal_id, 1763812830000000)
    return calls_per_second(
        lambda: link.client.execute_command("EVALSHA", script.digest, len(keys), *keys, *arguments), CALLS_PER_ROUND
    )
