"""Funding rates: mostly the 0.01 % that production's clamp leaves, sometimes more, now and then a hot market."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from app.paper_exchange.market.draws import stream

HOUR_MS: Final = 3_600_000
_BASE: Final = 10_000  # 0.01 % in units of 1e-8
_UNIT_EXPONENT: Final = -8
_BASE_SHARE: Final = 0.55
_HOT_MIN: Final = 30_000
_HOT_MAX: Final = 180_000
_SPREAD: Final = 15_000


def funding_rate(*, seed: int, symbol: str, period: int, interval_hours: int, hot_share: float) -> Decimal:
    """Rate paid at the end of a period (number of intervals since the epoch); depends on nothing else.

    `hot_share`, 0..1, is how often a period is a hot one; the others stay within 0.04 % to either side.
    """
    draws = stream(seed, symbol, "funding", period)
    kind, first, second = draws.random(), draws.random(), draws.random()
    if kind < _BASE_SHARE:
        units = _BASE
    elif kind < 1.0 - hot_share:
        units = _BASE + int((first - second) * 2.0 * _SPREAD)
    else:
        units = _HOT_MIN + int(first * (_HOT_MAX - _HOT_MIN))
        # Longs pay in most hot markets; a squeezed one pays the longs.
        units = units if second < 0.7 else -units
    # The usual rate is per eight hours; a four-hour contract pays half of it twice as often.
    return Decimal(units * interval_hours // 8).scaleb(_UNIT_EXPONENT)
