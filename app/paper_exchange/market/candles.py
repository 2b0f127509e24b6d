"""Candles of one symbol: the live minute, the minutes before it, and hours once minutes are too old to keep."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
WEEK_MS: Final = 604_800_000
# The epoch was a Thursday; weekly candles open on Monday.
_WEEK_OFFSET_MS: Final = 4 * 86_400_000
# Three days of minutes are kept; older ones are folded into hours, of which a year is kept.
MINUTES_KEPT_MAX: Final = 4_320
HOURS_KEPT_MAX: Final = 8_760


class Candle(NamedTuple):
    """Prices in ticks, quantities in lot steps, quote amounts in ticks times steps: exact integers."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    quantity: int
    quote: int
    trades: int
    buy_quantity: int
    buy_quote: int


def open_of(time_ms: int, interval_ms: int) -> int:
    """Give the open time of the candle that contains `time_ms`."""
    offset = _WEEK_OFFSET_MS if interval_ms == WEEK_MS else 0
    return (time_ms - offset) // interval_ms * interval_ms + offset


def fold(open_ms: int, parts: Sequence[Candle]) -> Candle:
    """Join consecutive candles (at least one) into the one that opens at `open_ms`."""
    return Candle(
        open_ms,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum(part.quantity for part in parts),
        sum(part.quote for part in parts),
        sum(part.trades for part in parts),
        sum(part.buy_quantity for part in parts),
        sum(part.buy_quote for part in parts),
    )


class CandleStore:
    """Fed with trades in time order. `history` gives (hours, minutes) before the first trade; asked for once, late."""

    __slots__ = (
        "_buy_quantity",
        "_buy_quote",
        "_close",
        "_high",
        "_history",
        "_hours",
        "_low",
        "_minutes",
        "_open",
        "_open_ms",
        "_quantity",
        "_quote",
        "_trades",
    )

    def __init__(
        self, *, start_ms: int, price: int, history: Callable[[], tuple[list[Candle], list[Candle]]] | None
    ) -> None:
        self._history = history
        self._hours: list[Candle] = []
        self._minutes: list[Candle] = []
        self._begin(open_of(start_ms, MINUTE_MS), price)
        # The trade that made the first price.
        self.trade(price, 1, is_buy=True)

    def _begin(self, open_ms: int, price: int) -> None:
        self._open_ms = open_ms
        self._open = self._high = self._low = self._close = price
        self._quantity = self._quote = self._trades = self._buy_quantity = self._buy_quote = 0

    def _live(self) -> Candle:
        return Candle(
            self._open_ms,
            self._open,
            self._high,
            self._low,
            self._close,
            self._quantity,
            self._quote,
            self._trades,
            self._buy_quantity,
            self._buy_quote,
        )

    def roll(self, open_ms: int) -> None:
        """Close the live minute and open the next, at `open_ms`; every minute must be rolled into."""
        self._minutes.append(self._live())
        self._begin(open_ms, self._close)
        if len(self._minutes) >= MINUTES_KEPT_MAX + 60:
            self._trim()

    def trade(self, price: int, quantity: int, *, is_buy: bool) -> None:
        """Count one trade in the live minute."""
        if not self._trades:
            self._open = self._high = self._low = price
        elif price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._close = price
        quote = price * quantity
        self._quantity += quantity
        self._quote += quote
        self._trades += 1
        if is_buy:
            self._buy_quantity += quantity
            self._buy_quote += quote

    def _complete(self) -> None:
        if self._history is None:
            return
        hours, minutes = self._history()
        self._history = None
        self._hours[:0] = hours
        self._minutes[:0] = minutes

    def _trim(self) -> None:
        self._complete()
        while len(self._minutes) > MINUTES_KEPT_MAX:
            hour_ms = open_of(self._minutes[0].open_ms, HOUR_MS)
            count = bisect_left(self._minutes, hour_ms + HOUR_MS, key=_open_ms)
            self._hours.append(fold(hour_ms, self._minutes[:count]))
            del self._minutes[:count]
        del self._hours[: max(len(self._hours) - HOURS_KEPT_MAX, 0)]

    def candles(self, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
        """Give candles with an open time in [start_ms, end_ms]: the first `limit`, without a start the last."""
        if limit == 1 and start_ms is None and interval_ms == MINUTE_MS and (end_ms is None or end_ms >= self._open_ms):
            # Asked for many times a second and needs no past; inventing that takes milliseconds.
            return [self._live()]
        self._complete()
        last_open = open_of(self._open_ms if end_ms is None else min(end_ms, self._open_ms), interval_ms)
        # Only whole candles: what begins before the oldest kept part would lack its head.
        oldest = open_of(self._oldest(interval_ms) + interval_ms - 1, interval_ms)
        if start_ms is None:
            first_open = max(last_open - (limit - 1) * interval_ms, oldest)
        else:
            first_open = max(open_of(start_ms + interval_ms - 1, interval_ms), oldest)
            last_open = min(last_open, first_open + (limit - 1) * interval_ms)
        parts = self._parts(first_open, last_open + interval_ms, interval_ms)
        if interval_ms == MINUTE_MS:
            return parts
        return _grouped(parts, interval_ms)

    def _oldest(self, interval_ms: int) -> int:
        if interval_ms >= HOUR_MS and self._hours:
            return self._hours[0].open_ms
        return self._minutes[0].open_ms if self._minutes else self._open_ms

    def _parts(self, first_ms: int, end_ms: int, interval_ms: int) -> list[Candle]:
        """Hours (when they fit) and minutes with an open time in [first_ms, end_ms)."""
        if end_ms <= first_ms:
            return []
        parts: list[Candle] = []
        if interval_ms >= HOUR_MS:
            begin = bisect_left(self._hours, first_ms, key=_open_ms)
            parts = self._hours[begin : bisect_left(self._hours, end_ms, key=_open_ms)]
        begin = bisect_left(self._minutes, first_ms, key=_open_ms)
        parts += self._minutes[begin : bisect_left(self._minutes, end_ms, key=_open_ms)]
        if first_ms <= self._open_ms < end_ms:
            parts.append(self._live())
        return parts


def _open_ms(candle: Candle) -> int:
    return candle.open_ms


def _grouped(parts: Sequence[Candle], interval_ms: int) -> list[Candle]:
    candles: list[Candle] = []
    group: list[Candle] = []
    group_open = 0
    for part in parts:
        opened = open_of(part.open_ms, interval_ms)
        if group and opened != group_open:
            candles.append(fold(group_open, group))
            group = []
        group_open = opened
        group.append(part)
    if group:
        candles.append(fold(group_open, group))
    return candles
