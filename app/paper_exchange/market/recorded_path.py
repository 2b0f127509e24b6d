"""Walks the minutes of a recording: open, low and high in a seeded order, close."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import Final

from app.paper_exchange.market.draws import stream
from app.paper_exchange.market.environment import Environment
from app.paper_exchange.market.parameters import STEPS_PER_MINUTE
from app.paper_exchange.market.recording import Recording

_LAST_STEP: Final = STEPS_PER_MINUTE - 1
# Wiggle around the straight lines between the four prices, as a part of the candle's range.
_WIGGLE: Final = 0.15
# A candle this many times wider than the average one makes spreads as wide as they get.
_SPREAD_MAX: Final = 6.0
_DEPTH_MIN: Final = 0.4


class RecordedPath:
    """After the last candle it begins again, rescaled to go on where it was and easing back to the recorded level.

    Were each round only rescaled, a recording that falls by a seventh would be near zero after a dozen rounds.
    """

    __slots__ = (
        "_closes",
        "_end_scale",
        "_highs",
        "_index",
        "_lows",
        "_mean_range",
        "_opens",
        "_random",
        "_round",
        "_step",
        "_to_ticks",
        "_turns",
        "_volume_to_steps",
        "_volumes",
        "depth",
        "price_ticks",
        "spread",
        "volume_steps",
    )

    def __init__(self, *, seed: int, recording: Recording, price_tick: float, quantity_step: float) -> None:
        self._random = stream(seed, recording.symbol, "recording")
        self._opens, self._highs = recording.opens, recording.highs
        self._lows, self._closes = recording.lows, recording.closes
        self._volumes = recording.volumes
        self._to_ticks = 1.0 / price_tick
        self._volume_to_steps = 1.0 / (quantity_step * STEPS_PER_MINUTE)
        ranges = sum(
            (high - low) / close for high, low, close in zip(self._highs, self._lows, self._closes, strict=True)
        )
        self._mean_range = ranges / len(recording) or 1.0
        self._end_scale = self._closes[-1] / self._opens[0]
        self._round = 0
        self._index = 0
        self._step = 0
        self.volume_steps = 1.0
        self.spread = 1.0
        self.depth = 1.0
        self._turns = self._enter_candle()
        self.price_ticks = self._turns[0][1]

    def _enter_candle(self) -> tuple[tuple[int, float], ...]:
        """Choose how wide the candle's book is and when its prices are touched: (step, price in ticks)."""
        index, count = self._index, len(self._opens)
        opened, high, low, close = self._opens[index], self._highs[index], self._lows[index], self._closes[index]
        begin, end = 1.0, 1.0
        if self._round:
            # From the scale that continues the last close down (or up) to the recorded prices over the whole round.
            begin = self._end_scale + (1.0 - self._end_scale) * (index / count)
            end = self._end_scale + (1.0 - self._end_scale) * ((index + 1) / count)
        low_first = self._random.getrandbits(1)
        first, second = (low, high) if low_first else (high, low)
        first_step = 30 + self._random.getrandbits(6)
        second_step = 130 + self._random.getrandbits(6)
        middle = (begin + end) * 0.5
        ticks = self._to_ticks
        turns = (
            (0, opened * begin * ticks),
            (first_step, first * middle * ticks),
            (second_step, second * middle * ticks),
            (_LAST_STEP, close * end * ticks),
        )
        self.volume_steps = self._volumes[index] * self._volume_to_steps
        stress = (high - low) / close / self._mean_range
        self.spread = min(max(stress, 1.0), _SPREAD_MAX)
        self.depth = max(1.0 / sqrt(self.spread), _DEPTH_MIN)
        return turns

    def step(self, environment: Environment) -> float:
        """Move on by one step and return the new price in ticks."""
        self._step += 1
        if self._step > _LAST_STEP:
            self._step = 0
            self._index += 1
            if self._index >= len(self._opens):
                self._index = 0
                self._round += 1
            self._turns = self._enter_candle()
        self.price_ticks = self._price(self._step)
        return self.price_ticks

    def _price(self, step: int) -> float:
        turns = self._turns
        for (begin, begin_price), (end, end_price) in pairwise(turns):
            if step <= end:
                if step == begin:
                    return begin_price
                if step == end:
                    return end_price
                low, high = turns[1][1], turns[2][1]
                if low > high:
                    low, high = high, low
                straight = begin_price + (end_price - begin_price) * ((step - begin) / (end - begin))
                wiggled = straight + (high - low) * _WIGGLE * (self._random.random() - 0.5)
                return min(max(wiggled, low), high)
        return turns[-1][1]
