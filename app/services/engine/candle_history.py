"""The candles that the engine has fetched: asked for once, then only what is new."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence

from app.domain.ensemble.outcomes import MINUTE_MS, Candle
from app.domain.ensemble.series import CandleSeries, series_of
from app.ports.forecasting import Candles

HISTORY_MINUTES_MAX = 20_000  # a symbol; what is older is let go of


class CandleHistory:
    """Closed candles by symbol, in memory. Thread-safe: training and inference share it, and take turns by symbol."""

    def __init__(self, source: Candles) -> None:
        self._source = source
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._known: dict[str, list[Candle]] = {}
        self._from_ms: dict[str, int] = {}  # what was asked for: before this, missing says nothing

    def now_ms(self) -> int:
        """The exchange's clock; raises `CandlesUnavailableError`."""
        return self._source.now_ms()

    def candles(self, symbol: str, *, from_ms: int, until_ms: int) -> Sequence[Candle]:
        """Closed candles that open in [from_ms, until_ms); raises `CandlesUnavailableError`."""
        from_ms, until_ms = from_ms // MINUTE_MS * MINUTE_MS, until_ms // MINUTE_MS * MINUTE_MS
        with self._locks[symbol]:
            known = self._known.get(symbol)
            if known is None or from_ms < self._from_ms[symbol]:
                known = list(self._source.candles(symbol, from_ms=from_ms, until_ms=until_ms))
                self._from_ms[symbol] = from_ms
            else:
                ends = known[-1].close_ms if known else self._from_ms[symbol]
                if ends < until_ms:
                    known = [*known, *self._source.candles(symbol, from_ms=ends, until_ms=until_ms)]
            known = known[-HISTORY_MINUTES_MAX:]
            if len(known) == HISTORY_MINUTES_MAX:
                self._from_ms[symbol] = known[0].open_ms
            self._known[symbol] = known
            opens = [candle.open_ms for candle in known]
            return known[bisect_left(opens, from_ms) : bisect_left(opens, until_ms)]

    def by_minute(self, symbol: str, *, from_ms: int, until_ms: int) -> Mapping[int, Candle]:
        """The same, by open time."""
        return {candle.open_ms: candle for candle in self.candles(symbol, from_ms=from_ms, until_ms=until_ms)}

    def newest(self, symbol: str, *, minutes: int, now_ms: int) -> CandleSeries:
        """Candles of the last `minutes` as arrays."""
        return series_of(symbol, self.candles(symbol, from_ms=now_ms - minutes * MINUTE_MS, until_ms=now_ms))
