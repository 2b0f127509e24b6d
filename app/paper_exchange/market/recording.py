"""Recorded one-minute candles from a folder: read, put in order, and say what had to be repaired."""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from app.paper_exchange.market.interface import MarketError

# SYMBOL-1m.csv, or the monthly and daily files of the public archive.
_FILE_NAME: Final = re.compile(r"(?P<symbol>[A-Z0-9]+)-1m(?:-\d{4}-\d{2}(?:-\d{2})?)?\.csv")
_COLUMNS: Final = ("open_time", "open", "high", "low", "close", "volume")
_MINUTE_MS: Final = 60_000
# Over a year of minutes; a limit so that a wrong folder cannot eat the memory.
ROWS_MAX: Final = 600_000
FILES_MAX: Final = 5_000
# Some archives count in microseconds; a millisecond time of this size would lie in the year 5138.
_MICROSECONDS_FROM: Final = 100_000_000_000_000
# After a shorter gap the price jumps as the file says. After a longer one the rest is rescaled to go on where it
# stopped: a move that took days must not hit everybody's position within one step.
GAP_MINUTES_JUMP_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Recording:
    """Consecutive minutes of one symbol: prices in quote, volume in base; parallel arrays of equal length >= 1."""

    symbol: str
    opens: array[float]
    highs: array[float]
    lows: array[float]
    closes: array[float]
    volumes: array[float]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.opens)


@dataclass(slots=True)
class _Rows:
    """Rows of all files of one symbol as read: (open time ms, open, high, low, close, volume)."""

    rows: list[tuple[int, float, float, float, float, float]]
    inconsistent: int = 0


def load_folder(folder: Path) -> Mapping[str, Recording]:
    """Read every candle file of a folder, keyed by symbol.

    Raises:
        MarketError: the folder is missing, holds no candle file, or a row cannot be read.
    """
    if not folder.is_dir():
        raise MarketError(f"market folder {folder} does not exist or is not a folder")
    found: dict[str, _Rows] = {}
    try:
        paths = sorted(folder.iterdir())
        if len(paths) > FILES_MAX:
            raise MarketError(f"market folder {folder} holds {len(paths)} entries, at most {FILES_MAX} are read")
        for path in paths:
            match = _FILE_NAME.fullmatch(path.name)
            if match is not None and path.is_file():
                _read_file(path, found.setdefault(match["symbol"], _Rows([])))
    except (OSError, UnicodeDecodeError) as error:
        raise MarketError(f"market folder {folder} cannot be read: {error}") from error
    if not found:
        raise MarketError(f"market folder {folder} holds no candle file named like BTCUSDT-1m.csv")
    recordings = {symbol: _recording(symbol, rows) for symbol, rows in found.items() if rows.rows}
    if not recordings:
        raise MarketError(f"market folder {folder} holds candle files without a single candle")
    return recordings


def _read_file(path: Path, into: _Rows) -> None:
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in _numbered(file):
            if number == 1 and row[0].strip().lower() == _COLUMNS[0]:
                continue
            if len(into.rows) >= ROWS_MAX:
                raise MarketError(f"{path.name}: more than {ROWS_MAX} candles of one symbol")
            candle = _candle(path, number, row)
            _, opened, high, low, close, volume = candle
            if low > min(opened, close) or high < max(opened, close) or low <= 0 or volume < 0:
                into.inconsistent += 1
                continue
            into.rows.append(candle)


def _numbered(file: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(csv.reader(file), start=1):
        if row:
            yield number, row


def _candle(path: Path, number: int, row: list[str]) -> tuple[int, float, float, float, float, float]:
    # The archive has twelve columns; the first six are these.
    if len(row) < len(_COLUMNS):
        raise MarketError(f"{path.name} line {number}: {len(row)} columns, expected {', '.join(_COLUMNS)}")
    try:
        time_ms = int(row[0])
        opened, high, low, close, volume = (float(text) for text in row[1:6])
    except ValueError as error:
        raise MarketError(f"{path.name} line {number}: not a candle: {error}") from error
    if not all(math.isfinite(value) for value in (opened, high, low, close, volume)):
        raise MarketError(f"{path.name} line {number}: not a candle: a value is not finite")
    if time_ms >= _MICROSECONDS_FROM:
        time_ms //= 1_000
    return time_ms, opened, high, low, close, volume


def _recording(symbol: str, read: _Rows) -> Recording:
    """Put rows in order, drop repeated minutes (the first one read stays), rescale after long gaps, note all of it."""
    notes: list[str] = []
    if read.inconsistent:
        notes.append(f"{symbol}: {read.inconsistent} candles whose prices contradict each other were left out")
    rows = read.rows
    unsorted = sum(1 for earlier, later in pairwise(rows) if later[0] < earlier[0])
    if unsorted:
        notes.append(f"{symbol}: {unsorted} candles were out of order and have been sorted")
        rows = sorted(rows, key=lambda row: row[0])
    columns = tuple(array("d") for _ in range(5))
    opens, highs, lows, closes, volumes = columns
    scale, time_before, repeated = 1.0, 0, 0
    for row in rows:
        time_ms = row[0]
        if closes:
            if time_ms == time_before:
                repeated += 1
                continue
            missing = (time_ms - time_before) // _MINUTE_MS - 1
            if missing > GAP_MINUTES_JUMP_MAX:
                scale = closes[-1] / row[1]
                notes.append(
                    f"{symbol}: {missing} minutes missing after candle {len(closes)}, skipped; "
                    f"prices after it times {scale:.6f}"
                )
            elif missing > 0:
                notes.append(f"{symbol}: {missing} minutes missing after candle {len(closes)}, skipped")
        for column, value in zip(columns, row[1:5], strict=False):
            column.append(value * scale)
        volumes.append(row[5])
        time_before = time_ms
    if repeated:
        notes.append(f"{symbol}: {repeated} repeated candles were left out")
    return Recording(symbol, opens, highs, lows, closes, volumes, tuple(notes))
