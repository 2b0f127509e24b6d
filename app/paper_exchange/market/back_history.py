"""What the market did before the exchange was started: invented backwards from the first price, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from random import Random
from typing import Final

from app.paper_exchange.market.candles import HOUR_MS, MINUTE_MS, WEEK_MS, Candle, open_of
from app.paper_exchange.market.draws import DRAW_BITS, UNIT_32, decision, normal, signed_size, stream
from app.paper_exchange.market.parameters import ModelParameters

# At least this many candles before the first live one: 34 hours of minutes and 120 days of hours.
HISTORY_MINUTES_MIN: Final = 2_040
HISTORY_HOURS_MIN: Final = 2_880
_MINUTES_PER_YEAR: Final = 365 * 24 * 60
_HOURS_PER_YEAR: Final = 365 * 24
# Volatility of an invented candle relative to the usual: mostly calm, sometimes not.
_MOODS: Final = (0.5, 0.6, 0.8, 1.0, 1.0, 1.2, 1.6, 2.4)
_MOOD_CANDLES: Final = 30
# Keeps 120 days from wandering off: time constant of 20 days.
_HOURLY_PULL: Final = 1.0 / 480.0


def first_minute(start_ms: int) -> int:
    """Open time of the oldest invented minute: on a full hour, so that hours before it stay whole."""
    return open_of(start_ms - HISTORY_MINUTES_MIN * MINUTE_MS, HOUR_MS)


def first_hour(start_ms: int) -> int:
    """Open time of the oldest invented hour: on a Monday, so that every interval has whole candles."""
    return open_of(first_minute(start_ms) - HISTORY_HOURS_MIN * HOUR_MS, WEEK_MS)


class BackHistory:
    """Invents the history of one symbol; symbols of one seed share the common factor and so stay correlated."""

    def __init__(self, *, seed: int, symbol: str, parameters: ModelParameters, quantity_step: float) -> None:
        self._seed = seed
        self._symbol = symbol
        self._parameters = parameters
        self._quantity_step = quantity_step

    def candles(self, *, start_ms: int, price: int, price_tick: float) -> tuple[list[Candle], list[Candle]]:
        """Give (hours, minutes) that end at the minute of `start_ms` with `price` (ticks) as the last close."""
        live_open, minute_open, hour_open = open_of(start_ms, MINUTE_MS), first_minute(start_ms), first_hour(start_ms)
        volatility = self._parameters.annual_volatility
        # Usual quantity of a minute in lot steps.
        quantity = self._parameters.minute_notional / (price * price_tick * self._quantity_step)
        minutes = self._backwards(
            "minutes",
            opens=range(live_open - MINUTE_MS, minute_open - 1, -MINUTE_MS),
            price=price,
            deviation=volatility / sqrt(_MINUTES_PER_YEAR),
            quantity=quantity,
            pull=_HOURLY_PULL / 60.0,
        )
        hours = self._backwards(
            "hours",
            opens=range(minute_open - HOUR_MS, hour_open - 1, -HOUR_MS),
            price=minutes[0].open,
            deviation=volatility / sqrt(_HOURS_PER_YEAR),
            quantity=quantity * 60.0,
            pull=_HOURLY_PULL,
        )
        return hours, minutes

    def _backwards(
        self, scale: str, *, opens: Sequence[int], price: int, deviation: float, quantity: float, pull: float
    ) -> list[Candle]:
        shared, own = _shared_draws(self._seed, scale, len(opens)), stream(self._seed, self._symbol, scale)
        loading = self._parameters.correlation
        own_loading = sqrt(1.0 - loading * loading)
        anchor, close = float(price), price
        candles: list[Candle] = []
        mood = 1.0
        for number, open_ms in enumerate(opens):
            common, mood_draw = shared[number]
            if number % _MOOD_CANDLES == 0:
                mood = _MOODS[mood_draw]
            draw = own.getrandbits(DRAW_BITS)
            change = mood * deviation * (loading * common + own_loading * normal(draw))
            opened = max(round(close * (1.0 - change - pull * (close / anchor - 1.0))), 1)
            candles.append(_candle(open_ms, opened, close, draw, own, mood * deviation, quantity * mood))
            close = opened
        candles.reverse()
        return candles


@lru_cache(maxsize=4)
def _shared_draws(seed: int, scale: str, count: int) -> tuple[tuple[float, int], ...]:
    """Common move and mood of each candle, newest first; every symbol of a seed asks for the same ones."""
    bits = stream(seed, scale).getrandbits
    draws = (bits(DRAW_BITS) for _ in range(count))
    return tuple((normal(draw), decision(draw) & 7) for draw in draws)


def _candle(open_ms: int, opened: int, close: int, draw: int, own: Random, deviation: float, quantity: float) -> Candle:
    upper, lower = max(opened, close), min(opened, close)
    high = upper + int(upper * deviation * 0.8 * decision(draw) * UNIT_32)
    low = max(lower - int(lower * deviation * 0.8 * abs(signed_size(draw))), 1)
    traded = max(int(quantity * (0.4 + 1.2 * own.random())), 1)
    bought = int(traded * (0.35 + 0.3 * own.random()))
    # Turnover at the middle of the candle; the exact sum of trades that never happened does not exist.
    middle = (opened + high + low + close) // 4
    trades = max(traded // 50, 1)
    return Candle(open_ms, opened, high, low, close, traded, traded * middle, trades, bought, bought * middle)
