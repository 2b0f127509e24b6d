"""Candles from files: `SYMBOL-1m.csv`, the first six columns of Binance's public kline archive."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from app.domain.ensemble.outcomes import MINUTE_MS, Candle
from app.domain.money import NotADecimalError, parse_decimal
from app.ports.forecasting import CandlesUnavailableError

SUFFIX = "-1m.csv"
COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
# The archive changed from milliseconds to microseconds with 2025.
_MICROSECONDS_FROM = 10**14


class MalformedKlineFileError(ValueError):
    """A line that is no candle; the message names file and line."""


def read_kline_file(path: Path) -> Sequence[Candle]:
    """All candles of a file in order of time, each minute once; with or without a line of column names."""
    candles: dict[int, Candle] = {}
    with path.open(newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if not row or (number == 1 and row[0] == COLUMNS[0]):
                continue
            candle = _candle(row, f"{path.name}, line {number}")
            candles[candle.open_ms] = candle
    return [candles[open_ms] for open_ms in sorted(candles)]


def _candle(row: Sequence[str], where: str) -> Candle:
    try:
        open_ms = int(row[0])
        prices: list[Decimal] = [parse_decimal(text) for text in row[1 : len(COLUMNS)]]
        opened, high, low, close, volume = prices
    except (ValueError, NotADecimalError) as error:
        raise MalformedKlineFileError(f"{where}: {error}") from error
    return Candle(
        open_ms=open_ms // 1000 if open_ms >= _MICROSECONDS_FROM else open_ms,
        open=opened, high=high, low=low, close=close, volume=volume,
    )  # fmt: skip


class RecordedCandles:
    """`app.ports.forecasting.Candles` over recordings; its clock stands where the newest candle closed."""

    def __init__(self, recorded: Mapping[str, Sequence[Candle]]) -> None:
        self._recorded = recorded
        self._opens = {symbol: [candle.open_ms for candle in candles] for symbol, candles in recorded.items()}

    @classmethod
    def from_folder(cls, folder: Path) -> RecordedCandles:
        """Every `SYMBOL-1m.csv` of a folder."""
        paths = sorted(folder.glob(f"*{SUFFIX}"))
        return cls({path.name.removesuffix(SUFFIX): read_kline_file(path) for path in paths})

    @property
    def symbols(self) -> Sequence[str]:
        return sorted(self._recorded)

    def now_ms(self) -> int:
        return max((opens[-1] + MINUTE_MS for opens in self._opens.values() if opens), default=0)

    def candles(self, symbol: str, *, from_ms: int, until_ms: int) -> Sequence[Candle]:
        if symbol not in self._recorded:
            raise CandlesUnavailableError(f"{symbol} is not among the recordings")
        opens = self._opens[symbol]
        return self._recorded[symbol][bisect_left(opens, from_ms) : bisect_left(opens, until_ms)]
