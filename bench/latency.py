"""An idle system: from POST to the exchange, beside a bare Celery round trip, and beside a loop that polls.

Run: `./qt bench latency`. The polling loop is what most trading bots are at heart: look every so often, decide, send.
Both send to the same paper exchange, whose ledger tells when each order was received; the empty tasks go over
the same broker to two worker processes of their own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import httpx

from app.adapters.celery.task_queue import producer
from app.chaos.arena import Arena
from bench.polling_loop import measure_polling, received_at
from bench.report.rows import Better, Row, Series, Told, ratio_at_most
from bench.run import Bench
from bench.task_queues import CELERY, Replies, started

TARGET = 3.0
LONE = 36
QUICK_LONE = 12
# freqtrade's own default is 5 s (`process_throttle_secs`); a second is what an impatient user sets.
POLL_SECONDS = (1.0, 5.0)
POLLED = 20
ENDED_SECONDS_MAX = 10.0
# Looked at seldom, so that looking does not stand in the way.
LOOK_SECONDS = 0.15
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LINKUSDT", "AVAXUSDT")
SENT = ("EXECUTED", "FAILED")
NOT_SENT = ("DENIED", "DROPPED", "EVICTED", "EXPIRED", "OBSERVED")


def rows(bench: Bench) -> Iterator[Told]:
    """Lone signals, an empty task between each two; then signals to the polling loops."""
    arena = bench.arena
    with ExitStack() as stack:
        replies = Replies(bench.folder / "latency-replies")
        stack.callback(replies.close)
        log_path = bench.folder / "latency-celery.log"
        publish = stack.enter_context(
            started(CELERY, replies, log_path, arena.connection["redis_url"], publisher_of(arena))
        )
        web = stack.enter_context(
            httpx.Client(
                base_url=arena.urls["web"],
                headers={"Authorization": f"Bearer {arena.token}"},
                timeout=ENDED_SECONDS_MAX,
                trust_env=False,
            )
        )
        trips, ways = measure(arena, web, publish, replies, lone=QUICK_LONE if bench.quick else LONE)
    yield row(trips, ways, [polled(arena, seconds) for seconds in (POLL_SECONDS[:1] if bench.quick else POLL_SECONDS)])


def row(trips: Sequence[float], ways: Sequence[float], others: Sequence[Series]) -> Row:
    """Milliseconds; every lone signal is a round."""
    return Row(
        name="latency-idle",
        what="POST to the order's receipt at the exchange, idle, p50",
        unit="ms",
        better=Better.LOWER,
        ours=Series("ours", ways),
        limit=Series("an empty Celery task there and back", trips),
        peers=others,
        target=ratio_at_most(TARGET),
        note=f"{len(ways)} of {len(trips)} sent",
    )


def publisher_of(arena: Arena) -> Callable[[int], None]:
    """Publishes empty tasks as the product publishes its own."""
    application = producer()
    application.conf.broker_url = arena.connection["redis_url"]

    def publish(number: int) -> None:
        application.send_task("bench.empty", (number,), queue="bench")

    return publish


def measure(
    arena: Arena, web: httpx.Client, publish: Callable[[int], None], replies: Replies, *, lone: int
) -> tuple[list[float], list[float]]:
    """Round trips of empty tasks and ways of signals that became an order; `RuntimeError` when none did."""
    trips: list[float] = []
    ways: list[float] = []
    for number in range(lone):
        began = time.perf_counter()
        publish(number)
        replies.wait(1)
        trips.append(1000 * (time.perf_counter() - began))
        way = way_of(arena, web, number)
        if way is not None:
            ways.append(way)
    if not ways:
        raise RuntimeError(f"none of {lone} signals became an order")
    return trips, ways


def way_of(arena: Arena, web: httpx.Client, number: int) -> float | None:
    """Milliseconds from before the POST to the exchange's receipt; None when the signal was not sent on."""
    signal_id = f"lone-{os.getpid()}-{number}"
    began = datetime.now(UTC)
    body = {
        "signal_id": signal_id,
        "symbol": SYMBOLS[number % len(SYMBOLS)],
        "side": ("BUY", "SELL")[number // len(SYMBOLS) % 2],
        "confidence": "0.95",
        "strategy": "bench",
        "generated_at": began.isoformat(),
    }
    web.post("/api/signals", json=body).raise_for_status()
    deadline = time.monotonic() + ENDED_SECONDS_MAX
    while time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        told = web.get(f"/api/signals/{signal_id}").raise_for_status().json()
        if told["signal"]["state"] in NOT_SENT:
            return None
        if told["signal"]["state"] in SENT:
            name = told["attempts"][0]["client_order_id"]
            found = received_at(arena.urls["exchange"], {name: began})
            return 1000 * (found[name] - began).total_seconds() if name in found else None
    return None


def polled(arena: Arena, seconds: float) -> Series:
    """Signals to a loop that looks every so many seconds."""
    return measure_polling(
        arena.urls["exchange"],
        key=arena.connection["exchange_key"],
        secret=arena.connection["exchange_secret"],
        poll_seconds=seconds,
        signals=POLLED,
    )
