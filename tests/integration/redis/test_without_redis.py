"""What market data and the hint latch answer while Redis is away."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import structlog

from app.adapters.redis.client import connect
from app.adapters.redis.hint_latch import RedisHintLatch
from app.adapters.redis.market_data import RedisMarketData
from app.domain.market import FundingRate
from tests.support.waiting import wait_until

ABSENT = "redis://127.0.0.1:1/0"
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_market_facts_are_not_known_and_one_line_says_so() -> None:
    market = RedisMarketData(connect(ABSENT))
    rate = FundingRate(symbol="X", rate=Decimal(0), interval_hours=8, next_funding_at=AT, observed_at=AT)
    with structlog.testing.capture_logs() as lines:
        for _ in range(20):
            assert market.quote("X") is None
            assert market.funding("X") is None
            assert market.quotes() == {}
            market.put([], [rate])
    assert [line["event"] for line in lines].count("market_data_unknown") == 1
    assert len(lines) == 2  # the other is the breaker's


def test_hints_are_sent_all_the_same() -> None:
    latch = RedisHintLatch(connect(ABSENT))
    assert all(latch.claim_hint("dispatch", 1000) for _ in range(5))
    latch.release_hint("dispatch")


def test_an_outage_that_ends_is_known_again(fresh_redis: str) -> None:
    link = connect(fresh_redis)
    market = RedisMarketData(link)
    rate = FundingRate(symbol="X", rate=Decimal("0.0001"), interval_hours=8, next_funding_at=AT, observed_at=AT)
    market.put([], [rate])
    with structlog.testing.capture_logs() as lines:
        link.client.execute_command("CLIENT", "PAUSE", "400", "ALL")
        assert market.funding("X") is None
        wait_until(lambda: market.funding("X"), seconds=10, what="Redis to answer again")
    assert market.funding("X") == rate
    events = [line["event"] for line in lines]
    assert events.count("market_data_unknown") == events.count("market_data_known_again") == 1
    link.close()
