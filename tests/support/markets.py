"""Made-up markets for tests of forecasts: a random walk, and one whose drift can be known from its past."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from app.domain.ensemble.outcomes import MINUTE_MS, Candle
from app.domain.ensemble.series import CandleSeries

BEGINS_MS = 1_764_000_000_000 // (60 * MINUTE_MS) * 60 * MINUTE_MS
MINUTE_DEVIATION = 0.0008


def market(
    seed: int, *, symbols: int = 4, minutes: int = 800, drift: float = 0.0, drift_minutes: int = 40
) -> list[CandleSeries]:
    """Symbols with a common factor. With a `drift` (per minute, of either sign, new every `drift_minutes`) the past
    tells of the future; without one nothing does."""
    chance = np.random.default_rng(seed)
    common = chance.standard_normal(minutes)
    return [
        _series(f"S{number}USDT", _returns(chance, common, drift, drift_minutes), chance) for number in range(symbols)
    ]


def _returns(chance: np.random.Generator, common: np.ndarray, drift: float, drift_minutes: int) -> np.ndarray:
    returns = (0.6 * common + 0.8 * chance.standard_normal(len(common))) * MINUTE_DEVIATION
    for begins in range(0, len(common) if drift else 0, drift_minutes):
        returns[begins : begins + drift_minutes] += drift * chance.choice([-1, 1])
    return returns


def _series(symbol: str, returns: np.ndarray, chance: np.random.Generator) -> CandleSeries:
    closes = 100.0 * np.exp(np.cumsum(returns))
    opens = np.concatenate([[100.0], closes[:-1]])
    wick = 1.0 + 0.0003 * chance.random(len(returns))
    return CandleSeries(
        symbol=symbol,
        open_ms=BEGINS_MS + MINUTE_MS * np.arange(len(returns)),
        opens=opens,
        highs=np.maximum(opens, closes) * wick,
        lows=np.minimum(opens, closes) / wick,
        closes=closes,
        volumes=chance.gamma(2.0, 10.0, len(returns)),
    )


def candles_of(series: CandleSeries) -> list[Candle]:
    """The same as the exchange tells it."""
    columns = (series.opens, series.highs, series.lows, series.closes, series.volumes)
    rows = zip(series.open_ms.tolist(), *(column.tolist() for column in columns), strict=True)
    return [
        Candle(
            open_ms=open_ms,
            **{
                name: Decimal(repr(value))
                for name, value in zip(("open", "high", "low", "close", "volume"), values, strict=True)
            },
        )
        for open_ms, *values in rows
    ]
