"""An idle system: from POST to the exchange, beside a bare Celery round trip, and beside a loop that polls.

Run: `./qt bench latency`. The polling loop is what most trading bots are at heart: look every so often, decide, send.
Ours and theirs send to the same paper exchange, whose ledger tells when each order was received.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.intake import LATENCY_RATIO_TARGET, Latency, Place, echo_worker, measure_latency

from bench.polling_loop import measure_polling
from bench.report.rows import Better, Row, Series, Told, ratio_at_most
from bench.run import Bench

LONE = 36
QUICK_LONE = 12
# freqtrade's own default is 5 s (`process_throttle_secs`); a second is what an impatient user sets.
POLL_SECONDS = (1.0, 5.0)
POLLED = 20


def rows(bench: Bench) -> Iterator[Told]:
    """Lone signals, an empty task between each two; then signals to the polling loops."""
    place = place_of(bench)
    with echo_worker(place.redis_url) as publisher:
        seen = measure_latency(place, publisher, lone=QUICK_LONE if bench.quick else LONE)
    polled = [
        measure_polling(
            place.exchange_url,
            key=bench.arena.connection["exchange_key"],
            secret=bench.arena.connection["exchange_secret"],
            poll_seconds=seconds,
            signals=POLLED,
        )
        for seconds in (POLL_SECONDS[:1] if bench.quick else POLL_SECONDS)
    ]
    yield row(seen, polled)


def row(seen: Latency, polled: list[Series]) -> Row:
    """Milliseconds, medians of lone signals."""
    return Row(
        name="latency-idle",
        what="POST to the order's receipt at the exchange, idle, p50",
        unit="ms",
        better=Better.LOWER,
        ours=Series("ours", seen.to_exchange_ms),
        limit=Series("an empty Celery task there and back", seen.round_trips_ms),
        peers=polled,
        target=ratio_at_most(LATENCY_RATIO_TARGET),
        note=f"{len(seen.to_exchange_ms)} sent",
    )


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
