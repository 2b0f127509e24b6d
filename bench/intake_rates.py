"""Signals a second over HTTP, durable before the 202, beside a route that only parses and beside bare inserts.

Run: `./qt bench intake`. The load is a process of its own on the same cores (`bench.intake_load`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count

from bench.intake import (
    BATCH,
    BATCH_CONNECTIONS,
    BATCHED_PER_SECOND_TARGET,
    CONNECTIONS,
    SINGLES_P99_MS_TARGET,
    SINGLES_PER_SECOND_TARGET,
    Place,
    Posted,
    bare_web,
    insert_rate,
    post,
)
from bench.report.rows import Better, Row, Series, Told, ours_at_least, ours_at_most
from bench.run import Bench

SECONDS = 6.0
QUICK_SECONDS = 2.0
# A clock that is late now and then: what counts as "kept up with the target's rate".
KEPT_UP_SHARE = 0.98

_numbers = count()


def rows(bench: Bench) -> Iterator[Told]:
    """As fast as answers come, at the target's rate by the clock, and in arrays."""
    place = place_of(bench)
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    paced: list[Posted] = []

    def posting(url: str, **options: int | float) -> Posted:
        run = f"rates-{os.getpid()}-{next(_numbers)}"
        return post(url, place.token, run=run, seconds=seconds, **options)  # type: ignore[arg-type]

    def at_the_clock() -> float:
        paced.append(posting(place.web_url, connections=CONNECTIONS, per_second=SINGLES_PER_SECOND_TARGET))
        return paced[-1].p99_ms

    with bare_web() as bare_url:
        contenders: dict[str, Callable[[], float]] = {
            "bare": lambda: posting(bare_url, connections=CONNECTIONS).signals_per_second,
            "singles": lambda: posting(place.web_url, connections=CONNECTIONS).signals_per_second,
            "inserts": lambda: insert_rate(place.database_url, seconds=min(seconds, 3.0)),
            "paced": at_the_clock,
            "batched": lambda: posting(place.web_url, connections=BATCH_CONNECTIONS, batch=BATCH).signals_per_second,
        }
        taken = bench.in_turn(contenders, usual=3, quick=1, warm=0)
    yield from told(taken, paced)


def place_of(bench: Bench) -> Place:
    """The run's whole system as `bench.intake` takes it."""
    arena = bench.arena
    return Place(
        web_url=arena.urls["web"],
        exchange_url=arena.urls["exchange"],
        token=arena.token,
        database_url=arena.connection["database_url"],
        redis_url=arena.connection["redis_url"],
    )


def told(taken: dict[str, Series], paced: list[Posted]) -> Iterator[Told]:
    """The rows; each rate beside one connection that makes a row durable at a time."""
    inserts = Series("bare INSERT, one commit each", taken["inserts"].rounds)
    yield Row(
        name="intake-single",
        what=f"single posts, {CONNECTIONS} connections, durable before 202",
        unit="signals/s",
        ours=taken["singles"],
        limit=inserts,
        peers=[Series("a route that only parses", taken["bare"].rounds)],
        target=ours_at_least(SINGLES_PER_SECOND_TARGET),
    )
    rate = sorted(each.signals_per_second for each in paced)[len(paced) // 2]
    refused = sum(each.refused for each in paced)
    kept_up = rate >= KEPT_UP_SHARE * SINGLES_PER_SECOND_TARGET and refused == 0
    yield Row(
        name="intake-p99",
        what=f"single posts, {SINGLES_PER_SECOND_TARGET} a second by the clock: p99",
        unit="ms",
        better=Better.LOWER,
        ours=taken["paced"],
        target=ours_at_most(SINGLES_P99_MS_TARGET),
        note=f"{rate:.0f} a second answered, {refused} refused{'' if kept_up else ': did not keep up'}",
    )
    yield Row(
        name="intake-batch",
        what=f"arrays of {BATCH}, {BATCH_CONNECTIONS} connections",
        unit="signals/s",
        ours=taken["batched"],
        limit=inserts,
        target=ours_at_least(BATCHED_PER_SECOND_TARGET),
    )
