"""What the exchange needs from a market: prices that move, finite books, funding and candles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal, Protocol

from app.paper_exchange.symbols import SymbolSpec

Side = Literal["BUY", "SELL"]

# Longest list klines() answers, whatever limit is asked for; production's documented maximum.
KLINES_MAX = 1_500
# Interval names of the protocol and their length; a week opens on Monday 00:00 UTC, everything else on a multiple.
KLINE_INTERVALS_MS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "1m": 60_000,
        "3m": 180_000,
        "5m": 300_000,
        "15m": 900_000,
        "30m": 1_800_000,
        "1h": 3_600_000,
        "2h": 7_200_000,
        "4h": 14_400_000,
        "6h": 21_600_000,
        "8h": 28_800_000,
        "12h": 43_200_000,
        "1d": 86_400_000,
        "3d": 259_200_000,
        "1w": 604_800_000,
    }
)
# Book levels a side that exist at most; production's largest depth limit.
BOOK_LEVELS_MAX = 1_000


class MarketError(Exception):
    """A market cannot be opened. The message is one line that says which input is wrong and why."""


@dataclass(frozen=True, slots=True)
class BookView:
    """The resting external liquidity of one symbol: (price, quantity), best first, on tick and on step."""

    symbol: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    last_update_id: int


@dataclass(frozen=True, slots=True)
class FundingView:
    """The rate that will be paid at `next_funding_ms` (exchange time); positive means longs pay shorts.

    `interval_hours` is market time: a market at speed 60 pays an eight-hour rate every eight minutes.
    """

    symbol: str
    rate: Decimal
    next_funding_ms: int
    interval_hours: int


@dataclass(frozen=True, slots=True)
class Kline:
    """One candle. Times in ms, `close_ms` inclusive (open + interval - 1); volumes in base and in quote."""

    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal


class Market(Protocol):
    """The world outside the exchange's own users. Every unknown symbol is a KeyError.

    Same source, start, and sequence of advance/take/record_trade calls: same prices, books and fills.
    """

    @property
    def symbols(self) -> Mapping[str, SymbolSpec]:
        """The listed contracts by symbol."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know about the source: gaps, repaired rows, symbols without a recording."""

    @property
    def behind_ms(self) -> int:
        """Market time still to be walked because one advance() call does a bounded amount of work; 0 = caught up."""

    def advance(self, now_ms: int) -> None:
        """Move prices and refill books up to `now_ms` (exchange clock). A time in the past changes nothing."""

    def mark_price(self, symbol: str) -> Decimal:
        """Price that margin and liquidation use, 8 decimals."""

    def index_price(self, symbol: str) -> Decimal:
        """Price of the underlying, 8 decimals."""

    def last_price(self, symbol: str) -> Decimal:
        """Price of the last trade, the market's own or one of record_trade, on tick."""

    def book(self, symbol: str, limit: int) -> BookView:
        """At most `limit` levels a side (never more than BOOK_LEVELS_MAX)."""

    def take(
        self, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None
    ) -> list[tuple[Decimal, Decimal]]:
        """Consume what a taker of `side` may get: (price, quantity) best first, not beyond `limit_price`.

        The sum is at most `quantity`, less if the book runs out; what was taken comes back over 1-3 s of market time.
        Does not record the trades: see record_trade.
        """

    def funding(self, symbol: str) -> FundingView:
        """Current funding rate and the next time it is paid."""

    def funding_rate_at(self, symbol: str, funding_ms: int) -> Decimal:
        """Rate paid at a funding time of the symbol, past or next (a multiple of its interval)."""

    def klines(
        self, symbol: str, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Kline]:
        """Candles whose open time lies in [start_ms, end_ms], ascending, the live one included.

        With `start_ms` the first `limit` from there, without it the last `limit`. `interval_ms` must be one of
        KLINE_INTERVALS_MS (ValueError).
        """

    def record_trade(self, symbol: str, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Make a trade of the exchange's users visible as last price and in the live candle."""
