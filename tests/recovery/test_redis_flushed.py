"""FLUSHALL in the middle of a flood: window, messages, budget and market data are gone, and nothing is lost.

In a module of its own behind the others: for a minute afterwards the budget only grants its shares, as it must.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest
import redis

from tests.recovery.floor import SYMBOLS, Child, Floor

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(900)]

FLOOD = 200
BATCH = 20
SETTLE_SECONDS_MAX = 600  # on a starved machine; some ten seconds on a quiet one


def test_flushing_redis_in_the_middle_of_a_flood_loses_nothing(floor: Floor, healthy: Child) -> None:
    signals = [
        floor.signal(
            f"s-flood-{n}",
            SYMBOLS[n % len(SYMBOLS)],
            side=("BUY", "SELL")[n % 2],
            confidence=f"0.{51 + n % 49}",
            ttl_seconds=str(SETTLE_SECONDS_MAX),
        )
        for n in range(FLOOD)
    ]
    with redis.Redis.from_url(floor.environment["QT_REDIS_URL"]) as client:
        for begin in range(0, FLOOD, BATCH):
            floor.system.admit_signals(signals[begin : begin + BATCH])
            if begin in (FLOOD // 4, FLOOD // 2):
                client.flushall()
    began = time.monotonic()
    floor.wait_at_rest(seconds=SETTLE_SECONDS_MAX)
    books = floor.books()
    ends = Counter(books.signals[f"s-flood-{n}"].state for n in range(FLOOD))
    print(f"flood settled {time.monotonic() - began:.1f} s after its last signal: {dict(ends)}")
    assert sum(ends.values()) == FLOOD
    assert ends["EXECUTED"] >= FLOOD // 4
    floor.assert_promises_hold()
