"""Features of a moment, from the candles that had closed by then and from nothing later.

A row is computed from a window of `WINDOW_MINUTES` candles by itself, in training as in service: the same code sees the
same window. Every figure is relative to the window's own volatility, range or volume, so that one model can learn from
all symbols.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from app.domain.ensemble.outcomes import MINUTE_MS
from app.domain.ensemble.series import Booleans, CandleSeries, Floats

WINDOW_MINUTES = 61  # 60 returns
FEATURE_SET = "minutes-1"  # a model of another feature set is another model: change this with the list below
RETURN_MINUTES = (1, 2, 3, 5, 10, 15, 30, 60)
FEATURE_NAMES = (
    *(f"return_{minutes}m" for minutes in RETURN_MINUTES),
    "volatility_60m",
    "volatility_10m_to_60m",
    "volatility_30m_to_60m",
    "range_position_15m",
    "range_position_60m",
    "rises_14m",
    "rises_60m",
    "distance_to_mean_20m",
    "distance_to_mean_60m",
    "candle_body",
    "upper_wick",
    "lower_wick",
    "volume_1m_to_60m",
    "volume_5m_to_60m",
    "autocorrelation_60m",
)
_TINY = 1e-12


def features_of(series: CandleSeries) -> tuple[Floats, Floats, Booleans]:
    """`(features, sequences, is_whole)`, a row for each candle from the 61st on.

    `features` is (n, len(FEATURE_NAMES)); `sequences` (n, 60) the returns of the window in units of its volatility,
    oldest first; `is_whole` False where minutes are missing inside the window. n is 0 for fewer than 61 candles.
    """
    if len(series) < WINDOW_MINUTES:
        empty = np.empty((0, len(FEATURE_NAMES)))
        return empty, np.empty((0, WINDOW_MINUTES - 1)), np.empty(0, dtype=np.bool_)

    def windows(values: Floats) -> Floats:
        # A copy, row after row in memory: each row is then summed in the same order whatever stands beside it.
        return np.ascontiguousarray(sliding_window_view(values, WINDOW_MINUTES))

    log_closes = windows(np.log(series.closes))
    highs, lows, volumes = windows(series.highs), windows(series.lows), windows(series.volumes)
    opens, closes = series.opens[WINDOW_MINUTES - 1 :], series.closes[WINDOW_MINUTES - 1 :]
    first = series.open_ms[: len(log_closes)]
    is_whole = series.open_ms[WINDOW_MINUTES - 1 :] - first == (WINDOW_MINUTES - 1) * MINUTE_MS

    returns = np.diff(log_closes, axis=1)
    volatility = returns.std(axis=1)
    unit = np.where(volatility > _TINY, volatility, 1.0)  # a price that stood still has returns of zero in any unit
    last = log_closes[:, -1]
    spread = np.maximum(highs[:, -1] - lows[:, -1], closes * _TINY)
    mean_volume = volumes.mean(axis=1)

    def position(minutes: int) -> Floats:
        high, low = highs[:, -minutes:].max(axis=1), lows[:, -minutes:].min(axis=1)
        return np.where(high > low, (closes - low) / np.maximum(high - low, closes * _TINY), 0.5)

    def distance(minutes: int) -> Floats:
        return np.asarray((last - log_closes[:, -minutes:].mean(axis=1)) / (unit * np.sqrt(minutes)))

    def volume_ratio(minutes: int) -> Floats:
        return np.asarray(
            np.log((volumes[:, -minutes:].mean(axis=1) + _TINY) / (mean_volume + _TINY)).clip(-10.0, 10.0)
        )

    centred = returns - returns.mean(axis=1, keepdims=True)
    variance = np.maximum((centred**2).sum(axis=1), _TINY)
    columns = [
        *((last - log_closes[:, -1 - minutes]) / (unit * np.sqrt(minutes)) for minutes in RETURN_MINUTES),
        np.log(np.maximum(volatility, _TINY)),
        returns[:, -10:].std(axis=1) / unit,
        returns[:, -30:].std(axis=1) / unit,
        position(15),
        position(60),
        (returns[:, -14:] > 0.0).mean(axis=1),
        (returns > 0.0).mean(axis=1),
        distance(20),
        distance(60),
        (closes - opens) / spread,
        (highs[:, -1] - np.maximum(opens, closes)) / spread,
        (np.minimum(opens, closes) - lows[:, -1]) / spread,
        volume_ratio(1),
        volume_ratio(5),
        (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / variance,
    ]
    return np.column_stack(columns), returns / unit[:, None], is_whole
