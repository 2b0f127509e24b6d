"""Candles as arrays: one symbol's minutes, oldest first, with the gaps that real recordings have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.domain.ensemble.outcomes import MINUTE_MS, Candle

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_PRICES = ("opens", "highs", "lows", "closes")


class MalformedSeriesError(ValueError):
    """Candles out of order, with a price that is not positive, or arrays of different lengths."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CandleSeries:
    """Closed one-minute candles of one symbol; `open_ms` rises strictly, minutes may be missing in between."""

    symbol: str
    open_ms: Integers
    opens: Floats
    highs: Floats
    lows: Floats
    closes: Floats
    volumes: Floats

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in ("open_ms", *_PRICES, "volumes")}
        if len(lengths) != 1:
            raise MalformedSeriesError(f"{self.symbol}: arrays of lengths {sorted(lengths)}")
        if len(self.open_ms) > 1 and not bool(np.all(np.diff(self.open_ms) > 0)):
            raise MalformedSeriesError(f"{self.symbol}: candles out of order")
        for name in _PRICES:
            prices = getattr(self, name)
            if not bool(np.all(np.isfinite(prices) & (prices > 0.0))):
                raise MalformedSeriesError(f"{self.symbol}: {name} hold something that is no price")

    def __len__(self) -> int:
        return len(self.open_ms)

    @property
    def close_ms(self) -> int | None:
        """When the newest candle closed; None when there is none."""
        return None if len(self) == 0 else int(self.open_ms[-1]) + MINUTE_MS

    def taken(self, rows: slice) -> CandleSeries:
        """Some of its rows."""
        return CandleSeries(
            symbol=self.symbol,
            open_ms=self.open_ms[rows],
            **{name: getattr(self, name)[rows] for name in (*_PRICES, "volumes")},
        )

    def newest(self, count: int) -> CandleSeries:
        """The newest `count` candles, or all there are."""
        return self.taken(slice(max(0, len(self) - count), len(self)))


def series_of(symbol: str, candles: Sequence[Candle]) -> CandleSeries:
    """Candles of the exchange as arrays."""

    def column(values: Sequence[Any]) -> Floats:
        return np.array(values, dtype=np.float64)

    return CandleSeries(
        symbol=symbol,
        open_ms=np.array([candle.open_ms for candle in candles], dtype=np.int64),
        opens=column([candle.open for candle in candles]),
        highs=column([candle.high for candle in candles]),
        lows=column([candle.low for candle in candles]),
        closes=column([candle.close for candle in candles]),
        volumes=column([candle.volume for candle in candles]),
    )
