"""What every store of market facts does, the one in Redis and the fake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.redis.client import connect
from app.adapters.redis.market_data import RedisMarketData
from app.domain.market import FundingRate, Quote
from app.ports import MarketData, MarketDataSink
from tests.fakes.redis import FakeMarketData

AT = datetime(2026, 11, 22, 12, 0, 0, 123457, tzinfo=UTC)


class Market(MarketData, MarketDataSink, Protocol):
    """Both ends."""


@pytest.fixture(params=["redis", "fake"])
def market(request: pytest.FixtureRequest) -> Iterator[Market]:
    if request.param == "fake":
        yield FakeMarketData()
        return
    link = connect(request.getfixturevalue("fresh_redis"))
    yield RedisMarketData(link)
    link.close()


def quote(symbol: str, price: str = "61000.10", *, at: datetime = AT) -> Quote:
    return Quote(
        symbol=symbol,
        bid_price=Decimal(price),
        bid_quantity=Decimal("0.100"),
        ask_price=Decimal(price) + Decimal("0.10"),
        ask_quantity=Decimal("12"),
        mark_price=Decimal("61000.12345678"),
        observed_at=at,
    )


def funding(symbol: str, rate: str = "-0.00010000") -> FundingRate:
    return FundingRate(
        symbol=symbol,
        rate=Decimal(rate),
        interval_hours=8,
        next_funding_at=AT + timedelta(hours=4),
        observed_at=AT,
    )


def test_what_was_never_put_is_not_known(market: Market) -> None:
    assert market.quote("BTCUSDT") is None
    assert market.funding("BTCUSDT") is None
    assert dict(market.quotes()) == {}


def test_the_newest_is_what_is_known_and_other_symbols_stay(market: Market) -> None:
    market.put([quote("BTCUSDT"), quote("ETHUSDT", "3000.01")], [funding("BTCUSDT")])
    market.put([quote("BTCUSDT", "61001.00", at=AT + timedelta(microseconds=1))], [])
    market.put([], [funding("ETHUSDT", "0.0003")])
    market.put([], [])
    assert market.quote("BTCUSDT") == quote("BTCUSDT", "61001.00", at=AT + timedelta(microseconds=1))
    assert market.quotes() == {
        "BTCUSDT": quote("BTCUSDT", "61001.00", at=AT + timedelta(microseconds=1)),
        "ETHUSDT": quote("ETHUSDT", "3000.01"),
    }
    assert market.funding("BTCUSDT") == funding("BTCUSDT")
    assert market.funding("ETHUSDT") == funding("ETHUSDT", "0.0003")


def test_a_symbol_may_be_written_in_any_script(market: Market) -> None:
    market.put([quote("币安人生USDT")], [funding("币安人生USDT")])
    assert market.quote("币安人生USDT") == quote("币安人生USDT")
    assert list(market.quotes()) == ["币安人生USDT"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**25), max_value=10**25),
    at=st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)),
)
def test_every_digit_and_every_microsecond_comes_back(market: Market, number: Decimal, at: datetime) -> None:
    put = Quote(
        symbol="X", bid_price=number, bid_quantity=number, ask_price=number, ask_quantity=number, mark_price=number,
        observed_at=at,
    )  # fmt: skip
    rate = FundingRate(symbol="X", rate=number, interval_hours=4, next_funding_at=at, observed_at=at)
    market.put([put], [rate])
    known, known_rate = market.quote("X"), market.funding("X")
    assert known == put
    assert known_rate == rate
    assert known is not None
    assert known.bid_price.as_tuple() == number.as_tuple()  # trailing zeros too: they tell the tick
