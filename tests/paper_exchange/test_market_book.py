"""The book: never crossed, on tick and on step, finite, and full again a few seconds after it was taken."""

from decimal import Decimal
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.paper_exchange.market import BOOK_LEVELS_MAX, BookView
from app.paper_exchange.market.interface import Market, Side
from app.paper_exchange.market.opening import open_simulated_market
from app.paper_exchange.symbols import CATALOGUE

START_MS = 1_763_000_040_000
SYMBOLS = st.sampled_from(sorted(CATALOGUE))
SIDES: st.SearchStrategy[Side] = st.sampled_from(["BUY", "SELL"])


def market_at(seed: int, steps: int, *symbols: str) -> Market:
    market = open_simulated_market(f"seed:{seed}", speed=1, start_ms=START_MS, symbols=symbols or CATALOGUE)
    market.advance(START_MS + steps * 250)
    return market


def assert_sound(book: BookView) -> None:
    spec = CATALOGUE[book.symbol]
    # A side may be empty for a moment when somebody took all of it.
    if book.bids and book.asks:
        assert book.bids[0][0] < book.asks[0][0]
    for price, quantity in book.bids + book.asks:
        assert price > 0
        assert quantity > 0
        assert price % spec.price_tick == 0
        assert quantity % spec.quantity_step == 0
    assert all(better > worse for (better, _), (worse, _) in pairwise(book.bids))
    assert all(better < worse for (better, _), (worse, _) in pairwise(book.asks))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 50), steps=st.integers(0, 400), symbol=SYMBOLS, limit=st.integers(1, BOOK_LEVELS_MAX),
    takes=st.lists(st.tuples(SIDES, st.integers(1, 2_000_000)), max_size=6),
)  # fmt: skip
def test_the_book_is_never_crossed_and_always_on_tick_and_step(
    seed: int, steps: int, symbol: str, limit: int, takes: list[tuple[Side, int]]
):
    market = market_at(seed, steps, symbol)
    for number, (side, notional) in enumerate(takes):
        market.take(symbol, side, Decimal(notional) / market.last_price(symbol), None)
        assert_sound(market.book(symbol, limit))
        market.advance(START_MS + (steps + number + 1) * 250)
        assert_sound(market.book(symbol, limit))


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 20), symbol=SYMBOLS, side=SIDES, notional=st.integers(1, 100_000_000),
    away=st.none() | st.integers(-200, 200),
)  # fmt: skip
def test_a_take_never_gives_more_than_asked_or_than_is_there_or_beyond_the_limit(
    seed: int, symbol: str, side: Side, notional: int, away: int | None
):
    market = market_at(seed, 10, symbol)
    spec, before = CATALOGUE[symbol], market.book(symbol, BOOK_LEVELS_MAX)
    resting = dict(before.asks if side == "BUY" else before.bids)
    best = next(iter(resting))
    limit_price = None if away is None else best + away * spec.price_tick * 2
    quantity = Decimal(notional) / best
    fills = market.take(symbol, side, quantity, limit_price)
    assert sum(amount for _, amount in fills) <= quantity
    assert all(0 < amount <= resting[price] and amount % spec.quantity_step == 0 for price, amount in fills)
    prices = [price for price, _ in fills]
    assert prices == sorted(set(prices), reverse=side == "SELL")
    if limit_price is not None:
        assert all(price <= limit_price if side == "BUY" else price >= limit_price for price in prices)
    # What is left behind is what was there minus what was given.
    after = market.book(symbol, BOOK_LEVELS_MAX)
    left = dict(after.asks if side == "BUY" else after.bids)
    for price, amount in fills:
        assert left.get(price, Decimal(0)) == resting[price] - amount


def test_a_take_stops_short_only_when_the_reachable_levels_are_empty():
    market = market_at(3, 10)
    asks = market.book("ETHUSDT", 5).asks
    reachable = sum(quantity for _, quantity in asks)
    fills = market.take("ETHUSDT", "BUY", Decimal(1_000_000), asks[-1][0])
    assert sum(quantity for _, quantity in fills) == reachable
    assert market.take("ETHUSDT", "BUY", Decimal(1), asks[-1][0]) == []


def test_a_limit_between_two_ticks_reaches_only_the_tick_it_allows():
    market = market_at(3, 10)
    ask, bid = market.book("BTCUSDT", 1).asks[0][0], market.book("BTCUSDT", 1).bids[0][0]
    assert market.take("BTCUSDT", "BUY", Decimal(1), ask - Decimal("0.01")) == []
    assert market.take("BTCUSDT", "SELL", Decimal(1), bid + Decimal("0.01")) == []
    assert market.take("BTCUSDT", "BUY", Decimal("0.001"), ask + Decimal("0.05"))[0][0] == ask


@pytest.mark.parametrize("quantity", [Decimal(0), Decimal(-1), Decimal("0.0009")])
def test_less_than_one_step_takes_nothing(quantity: Decimal):
    assert market_at(3, 10).take("BTCUSDT", "BUY", quantity, None) == []


def test_the_whole_book_can_be_taken_and_no_more():
    market = market_at(3, 10)
    fills = market.take("ALGOUSDT", "SELL", Decimal(10**12), None)
    assert 0 < sum(price * quantity for price, quantity in fills) < 100_000_000
    assert market.take("ALGOUSDT", "SELL", Decimal(10**12), None) == []


def test_taken_depth_comes_back_within_three_seconds_but_not_within_a_quarter():
    """The price is held still by asking for the same levels of an untouched twin."""
    market, twin = market_at(3, 10), market_at(3, 10)
    market.take("BTCUSDT", "BUY", Decimal(50), None)
    missing = []
    for step in range(11, 23):
        market.advance(START_MS + step * 250)
        twin.advance(START_MS + step * 250)
        there = sum(quantity for _, quantity in market.book("BTCUSDT", BOOK_LEVELS_MAX).asks)
        full = sum(quantity for _, quantity in twin.book("BTCUSDT", BOOK_LEVELS_MAX).asks)
        missing.append(full - there)
    assert missing[0] > 30
    assert all(later <= earlier for earlier, later in pairwise(missing))
    assert missing[8] < 5
    assert missing[11] < 2


def test_taking_one_side_leaves_the_other_and_other_symbols_alone():
    market, twin = market_at(3, 10), market_at(3, 10)
    market.take("BTCUSDT", "BUY", Decimal(50), None)
    assert market.book("BTCUSDT", 100).bids == twin.book("BTCUSDT", 100).bids
    assert market.book("ETHUSDT", 100) == twin.book("ETHUSDT", 100)


def test_the_update_id_rises_with_every_step_and_every_take():
    market = market_at(3, 10)
    ids = [market.book("BTCUSDT", 1).last_update_id]
    market.take("BTCUSDT", "BUY", Decimal("0.001"), None)
    ids.append(market.book("BTCUSDT", 1).last_update_id)
    market.advance(START_MS + 11 * 250)
    ids.append(market.book("BTCUSDT", 1).last_update_id)
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("symbol", sorted(CATALOGUE))
def test_small_orders_fill_near_the_touch_and_large_ones_walk_the_book(symbol: str):
    small, large = [], []
    for seed in range(12):
        market = market_at(seed, 40, symbol)
        ask = market.book(symbol, 1).asks[0][0]
        fills = market.take(symbol, "BUY", Decimal(1_000) / ask, None)
        small.append((fills[-1][0] - ask) / CATALOGUE[symbol].price_tick)
        market = market_at(seed, 40, symbol)
        large.append(len(market.take(symbol, "BUY", Decimal(200_000) / ask, None)))
    assert median(small) <= 2
    assert min(large) > 3


def test_a_limit_of_levels_out_of_range_is_a_programming_error():
    with pytest.raises(ValueError, match="limit"):
        market_at(1, 1).book("BTCUSDT", 0)
    with pytest.raises(ValueError, match="limit"):
        market_at(1, 1).book("BTCUSDT", BOOK_LEVELS_MAX + 1)
