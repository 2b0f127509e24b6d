"""The newest book and mark price of each symbol, conflated: only what changed since the last look is handed out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.market import FundingRate, Quote
from app.domain.money import ZERO

# `fundingInfo` lists only the symbols that differ from this. Source: the endpoint's documentation.
FUNDING_HOURS_USUAL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """`bookTicker`: best prices, the exchange's time of saying so, and when we heard it."""

    symbol: str
    bid_price: Decimal
    bid_quantity: Decimal
    ask_price: Decimal
    ask_quantity: Decimal
    at_ms: int
    heard_at: datetime

    @property
    def is_sound(self) -> bool:
        """Whether both sides exist and do not cross."""
        return ZERO < self.bid_price < self.ask_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`markPriceUpdate`; `funding_rate` is None for contracts without funding."""

    symbol: str
    price: Decimal
    at_ms: int
    heard_at: datetime
    funding_rate: Decimal | None
    next_funding_at: datetime | None


class QuoteBoard:
    """Written by the stream threads, read by one flusher. `symbols` are the only ones of interest."""

    def __init__(self, symbols: Collection[str]) -> None:
        self._symbols = frozenset(symbols)
        self._lock = threading.Lock()
        self._books: dict[str, Book] = {}
        self._marks: dict[str, Mark] = {}
        self._changed: set[str] = set()
        self._funding_changed: set[str] = set()

    def put_books(self, books: Sequence[Book]) -> None:
        """The newest books, as one connection tells them in order; a book that is not sound is not known."""
        with self._lock:
            for book in books:
                if book.symbol not in self._symbols:
                    continue
                if book.is_sound:
                    self._books[book.symbol] = book
                    self._changed.add(book.symbol)
                else:
                    self._books.pop(book.symbol, None)

    def put_marks(self, marks: Sequence[Mark]) -> None:
        """The newest mark prices and funding rates."""
        with self._lock:
            for mark in marks:
                if mark.symbol not in self._symbols or mark.price <= ZERO:
                    continue
                self._marks[mark.symbol] = mark
                self._changed.add(mark.symbol)
                if mark.funding_rate is not None:
                    self._funding_changed.add(mark.symbol)

    def forget_books(self, symbols: Collection[str]) -> None:
        """A connection was lost: what changed meanwhile is not known."""
        with self._lock:
            for symbol in symbols:
                self._books.pop(symbol, None)

    def forget_marks(self) -> None:
        """As `forget_books`, for the mark prices of all symbols."""
        with self._lock:
            self._marks.clear()

    def take_changed(
        self, *, local_time_of: Callable[[int], datetime], funding_hours: Mapping[str, int]
    ) -> tuple[list[Quote], list[FundingRate]]:
        """Quotes (book and mark both known) and funding rates that changed since the last call."""
        with self._lock:
            pairs = [
                (self._books[symbol], self._marks[symbol])
                for symbol in sorted(self._changed)
                if symbol in self._books and symbol in self._marks
            ]
            marks = [self._marks[symbol] for symbol in sorted(self._funding_changed) if symbol in self._marks]
            self._changed.clear()
            self._funding_changed.clear()
        quotes = [_quote(book, mark, local_time_of) for book, mark in pairs]
        rates = [
            FundingRate(
                symbol=mark.symbol,
                rate=mark.funding_rate,
                interval_hours=funding_hours.get(mark.symbol, FUNDING_HOURS_USUAL),
                next_funding_at=mark.next_funding_at,
                observed_at=_observed_at(mark, local_time_of),
            )
            for mark in marks
            if mark.funding_rate is not None and mark.next_funding_at is not None
        ]
        return quotes, rates


def _quote(book: Book, mark: Mark, local_time_of: Callable[[int], datetime]) -> Quote:
    return Quote(
        symbol=book.symbol,
        bid_price=book.bid_price,
        bid_quantity=book.bid_quantity,
        ask_price=book.ask_price,
        ask_quantity=book.ask_quantity,
        mark_price=mark.price,
        observed_at=min(_observed_at(book, local_time_of), _observed_at(mark, local_time_of)),
    )


def _observed_at(said: Book | Mark, local_time_of: Callable[[int], datetime]) -> datetime:
    """When the exchange said so, on our clock: never later than we heard it, whatever the two clocks did since."""
    return min(local_time_of(said.at_ms), said.heard_at)
