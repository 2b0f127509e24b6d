"""The exchange's clock under a wall clock moved by hand, and what depends on it: listen keys and the public tape."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest

from app.paper_exchange.clock import ExchangeClock
from app.paper_exchange.listen_keys import LIFETIME_MS, ListenKeys
from app.paper_exchange.market import Kline
from app.paper_exchange.tape import Tape
from tests.paper_exchange.fixed_market import BTC, START_MS, D, FixedMarket


@dataclass
class Wall:
    now_us: int = 1_000_000_000

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def clock(wall: Wall) -> ExchangeClock:
    return ExchangeClock(wall_us=wall)


def test_it_shows_real_time_until_told_otherwise(clock: ExchangeClock, wall: Wall):
    assert (clock.now_us(), clock.market_ms()) == (1_000_000_000, 1_000_000)
    wall.now_us += 5
    assert clock.now_us() == 1_000_000_005


def test_a_skew_moves_what_clients_see_but_not_the_market(clock: ExchangeClock):
    clock.offset_us = -2_000_000
    assert (clock.now_ms(), clock.market_ms()) == (998_000, 1_000_000)


def test_frozen_it_stands_and_resumed_it_goes_on_from_there(clock: ExchangeClock, wall: Wall):
    clock.freeze()
    wall.now_us += 60_000_000
    clock.freeze()
    assert clock.now_ms() == 1_000_000
    clock.advance(500)
    assert (clock.now_ms(), clock.market_ms()) == (1_000_500, 1_000_500)
    clock.resume()
    assert clock.now_ms() == 1_000_500
    wall.now_us += 1_000
    assert clock.now_ms() == 1_000_501


def test_a_wall_clock_set_back_does_not_take_the_market_back(clock: ExchangeClock, wall: Wall):
    before = clock.market_ms()
    wall.now_us -= 10_000_000
    assert clock.market_ms() == before
    wall.now_us += 10_001_000
    assert clock.market_ms() == before + 1


def test_a_clock_may_start_standing_at_any_moment():
    assert ExchangeClock.standing_at(START_MS * 1000).now_ms() == START_MS


def test_a_listen_key_lasts_an_hour_and_each_extension_gives_another():
    keys = ListenKeys()
    key = keys.start(0)
    assert keys.is_valid(key, LIFETIME_MS - 1)
    assert not keys.is_valid(key, LIFETIME_MS)
    assert keys.extend(LIFETIME_MS - 1) == key
    assert keys.is_valid(key, 2 * LIFETIME_MS - 2)
    assert keys.expired_key(2 * LIFETIME_MS - 2) is None
    assert keys.expired_key(2 * LIFETIME_MS - 1) == key
    assert keys.expired_key(2 * LIFETIME_MS - 1) is None
    assert keys.extend(2 * LIFETIME_MS) is None
    assert keys.start(2 * LIFETIME_MS) != key


class CandleMarket(FixedMarket):
    """Its live candle's volume is set by hand."""

    volume = D(10)
    open_ms = START_MS

    def klines(
        self, symbol: str, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Kline]:
        price = self.last_price(symbol)
        zero = Decimal(0)
        volume = self.volume if symbol == BTC else zero
        return [Kline(self.open_ms, self.open_ms + 59_999, price, price, price, price, volume, zero, 1, zero, zero)]


def test_the_tape_tells_the_volume_the_candle_gained_and_no_more():
    market, tape = CandleMarket(), Tape()
    tape.observe(market, START_MS)
    assert tape.take_fresh() == []
    market.volume += D("1.2345")
    tape.observe(market, START_MS + 499)
    assert tape.take_fresh() == []
    tape.observe(market, START_MS + 500)
    [trade] = tape.take_fresh()
    assert (trade.symbol, trade.quantity, trade.price) == (BTC, D("1.234"), D("90000.0"))
    # A new candle counts from zero.
    market.open_ms, market.volume = START_MS + 60_000, D("0.5")
    tape.observe(market, START_MS + 60_000)
    assert [t.quantity for t in tape.take_fresh()] == [D("0.5")]
