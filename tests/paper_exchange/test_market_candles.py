"""Candles: there before the start, consistent with the path, with recorded trades and with each other."""

from decimal import Decimal
from itertools import pairwise

import pytest

from app.paper_exchange.market import KLINE_INTERVALS_MS, KLINES_MAX, Kline, open_market
from app.paper_exchange.market.candles import HOUR_MS, HOURS_KEPT_MAX, MINUTE_MS, MINUTES_KEPT_MAX, CandleStore
from app.paper_exchange.market.interface import Market
from app.paper_exchange.market.opening import SPEED_MIN

START_MS = 1_763_000_040_000
MONDAY_MS = 1_762_732_800_000  # 2025-11-10 00:00 UTC


def market(speed: float = 1) -> Market:
    return open_market("seed:7", speed=speed, start_ms=START_MS + 12_345)


def assert_consistent(candles: list[Kline], interval_ms: int) -> None:
    for candle in candles:
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)
        assert candle.close_ms == candle.open_ms + interval_ms - 1
        assert 0 <= candle.taker_buy_volume <= candle.volume
        assert 0 <= candle.taker_buy_quote_volume <= candle.quote_volume
        if candle.volume:
            assert candle.low <= candle.quote_volume / candle.volume <= candle.high
    assert all(later.open_ms - earlier.open_ms == interval_ms for earlier, later in pairwise(candles))


@pytest.mark.parametrize("name", KLINE_INTERVALS_MS)
def test_history_of_every_interval_exists_before_the_first_step(name: str):
    interval_ms = KLINE_INTERVALS_MS[name]
    candles = market().klines("ETHUSDT", interval_ms, None, None, KLINES_MAX)
    least = {"1m": 1_500, "3m": 650, "5m": 400, "15m": 130, "30m": 65, "1d": 110, "3d": 36, "1w": 16}
    assert len(candles) >= least.get(name, 200)
    assert_consistent(candles, interval_ms)
    assert candles[-1].open_ms <= START_MS + 12_345 <= candles[-1].close_ms


def test_history_ends_where_the_market_begins():
    opened = market()
    before, live = opened.klines("BTCUSDT", MINUTE_MS, None, None, 2)
    assert before.close == live.open == opened.last_price("BTCUSDT")


def test_history_is_the_same_whenever_it_is_asked_for():
    early, late = market(), market()
    first = early.klines("SOLUSDT", MINUTE_MS, None, START_MS - 1, 500)
    late.advance(START_MS + 300_000)
    assert late.klines("SOLUSDT", MINUTE_MS, None, START_MS - 1, 500) == first


def test_live_candles_follow_the_prices_that_were_shown():
    opened = market()
    seen: dict[int, list[Decimal]] = {}
    for now_ms in range(START_MS + 12_345, START_MS + 400_000, 250):
        opened.advance(now_ms)
        seen.setdefault(now_ms // MINUTE_MS * MINUTE_MS, []).append(opened.last_price("XRPUSDT"))
    candles = opened.klines("XRPUSDT", MINUTE_MS, START_MS, None, 100)
    assert [candle.open_ms for candle in candles] == sorted(seen)
    for candle in candles:
        prices = seen[candle.open_ms]
        assert (candle.open, candle.close) == (prices[0], prices[-1])
        assert (candle.high, candle.low) == (max(prices), min(prices))
    assert_consistent(candles, MINUTE_MS)


def test_a_recorded_trade_is_in_the_live_candle():
    opened = market()
    opened.advance(START_MS + 20_000)
    before = opened.klines("BTCUSDT", MINUTE_MS, None, None, 1)[0]
    price = before.high + Decimal("100.00")
    opened.record_trade("BTCUSDT", price, Decimal("0.250"), START_MS + 20_000)
    after = opened.klines("BTCUSDT", MINUTE_MS, None, None, 1)[0]
    assert (after.high, after.close, after.low) == (price, price, before.low)
    assert after.volume == before.volume + Decimal("0.250")
    assert after.quote_volume == before.quote_volume + price * Decimal("0.250")
    assert after.trades == before.trades + 1


@pytest.mark.parametrize("name", ["3m", "5m", "15m", "1h", "4h", "1d"])
def test_long_candles_are_the_sum_of_their_minutes(name: str):
    opened, interval_ms = market(), KLINE_INTERVALS_MS[name]
    opened.advance(START_MS + 200_000)
    long = opened.klines("LINKUSDT", interval_ms, None, None, 500)
    minutes = opened.klines("LINKUSDT", MINUTE_MS, None, None, KLINES_MAX)
    compared = 0
    for candle in long:
        parts = [minute for minute in minutes if candle.open_ms <= minute.open_ms <= candle.close_ms]
        if not parts or parts[0].open_ms != candle.open_ms:
            continue
        compared += 1
        assert (candle.open, candle.close) == (parts[0].open, parts[-1].close)
        assert candle.high == max(part.high for part in parts)
        assert candle.low == min(part.low for part in parts)
        assert candle.volume == sum(part.volume for part in parts)
        assert candle.quote_volume == sum(part.quote_volume for part in parts)
    assert compared


def test_a_week_opens_on_monday_and_a_day_at_midnight():
    week = market().klines("BTCUSDT", KLINE_INTERVALS_MS["1w"], None, None, 1)[0]
    assert week.open_ms == MONDAY_MS
    assert market().klines("BTCUSDT", KLINE_INTERVALS_MS["1d"], None, None, 1)[0].open_ms % 86_400_000 == 0


def test_start_end_and_limit_choose_as_the_exchange_does():
    opened = market()
    everything = opened.klines("BTCUSDT", MINUTE_MS, None, None, KLINES_MAX)
    tenth = everything[-10].open_ms
    assert opened.klines("BTCUSDT", MINUTE_MS, tenth, None, 3) == everything[-10:-7]
    assert opened.klines("BTCUSDT", MINUTE_MS, tenth - 1, None, 3) == everything[-10:-7]
    assert opened.klines("BTCUSDT", MINUTE_MS, tenth + 1, None, 3) == everything[-9:-6]
    assert opened.klines("BTCUSDT", MINUTE_MS, None, tenth, 3) == everything[-12:-9]
    assert opened.klines("BTCUSDT", MINUTE_MS, tenth, tenth, 500) == [everything[-10]]
    assert opened.klines("BTCUSDT", MINUTE_MS, None, None, 10_000) == everything
    assert opened.klines("BTCUSDT", MINUTE_MS, START_MS + 86_400_000, None, 5) == []
    # A start before everything gives the oldest there is.
    assert len(opened.klines("BTCUSDT", MINUTE_MS, 0, None, 5)) == 5


def test_an_unknown_interval_and_an_empty_limit_are_programming_errors():
    with pytest.raises(ValueError, match="no candles of"):
        market().klines("BTCUSDT", 1_000, None, None, 5)
    with pytest.raises(ValueError, match="limit"):
        market().klines("BTCUSDT", MINUTE_MS, None, None, 0)


def test_the_slowest_market_still_trades_in_every_minute():
    opened = market(speed=SPEED_MIN)
    opened.advance(START_MS + 12_345 + 600_000)
    candles = opened.klines("BTCUSDT", MINUTE_MS, START_MS, None, 100)
    assert len(candles) == 11
    assert_consistent(candles, MINUTE_MS)
    assert all(candle.trades for candle in candles)


def test_kept_candles_are_bounded_and_old_minutes_live_on_as_hours():
    store = CandleStore(start_ms=0, price=100, history=None)
    count = MINUTES_KEPT_MAX + 2_000
    for minute in range(1, count):
        store.roll(minute * MINUTE_MS)
        store.trade(100 + minute % 7, 1, is_buy=True)
    minutes = store.candles(MINUTE_MS, None, None, 100_000)
    assert MINUTES_KEPT_MAX - 60 <= len(minutes) <= MINUTES_KEPT_MAX + 61
    hours = store.candles(HOUR_MS, None, None, 100_000)
    assert hours[0].open_ms == 0
    assert sum(hour.quantity for hour in hours) == count
    assert len(hours) < HOURS_KEPT_MAX
