"""Market data by stream: best prices of the chosen symbols and all mark prices, put to a sink a few times a second."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

import structlog

from app.adapters.binance.quote_board import Book, Mark, QuoteBoard
from app.adapters.binance.server_clock import ServerClock, utc_now
from app.adapters.binance.stream_loop import ReconnectRequested, StreamLimits, StreamLoop
from app.adapters.binance.wire import MS_MAX, Fields, MalformedAnswerError, moment_of, parse_json
from app.ports import ExchangeError, MarketDataSink

log = structlog.get_logger(__name__)

SYMBOLS_PER_CONNECTION_MAX = 100  # keeps the URL below 4 KB; the exchange allows 1024 streams
SYMBOLS_MAX = 1_000
PUT_SECONDS = 0.15  # 20 symbols with 10 changes a second become 7 puts instead of 200
SILENCE_SECONDS_MAX = 10.0  # mark prices come every second, some symbol's book changes more often
FUNDING_HOURS_REFRESH_SECONDS = 3_600.0
FUNDING_HOURS_RETRY_SECONDS = 30.0
MARKS_STREAM = "!markPrice@arr@1s"


class FundingIntervals(Protocol):
    """The part of `RestExchange` that says how often symbols fund; raises `ExchangeError`."""

    def funding_intervals(self) -> Mapping[str, int]: ...


class StreamEndedError(Exception):
    """A stream thread returned although nobody told it to stop: a bug."""


class MarketStream:
    """Blocking loop that feeds a `MarketDataSink`. `stream_url` has no path (`wss://fstream.binance.com`).

    A quote joins the newest book with the newest mark price; it is as old as the older of the two. After a reconnect a
    symbol has no quote until both have been said anew.
    """

    def __init__(
        self,
        *,
        stream_url: str,
        symbols: Sequence[str],
        clock: ServerClock,
        funding: FundingIntervals,
        random_share: Callable[[], float],
        limits: StreamLimits | None = None,
        put_seconds: float = PUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if not 1 <= len(symbols) <= SYMBOLS_MAX:
            raise ValueError(f"between 1 and {SYMBOLS_MAX} symbols, not {len(symbols)}")
        self._clock = clock
        self._funding = funding
        self._put_seconds = put_seconds
        self._monotonic = monotonic
        self._board = QuoteBoard(symbols)
        self._funding_hours: Mapping[str, int] | None = None
        self._funding_hours_due = 0.0
        url = stream_url.rstrip("/")
        chosen = limits or StreamLimits(silence_seconds_max=SILENCE_SECONDS_MAX)
        listeners: list[tuple[str, _MarketListener]] = [("marks", _MarkListener(url, self._board, now))]
        for start in range(0, len(symbols), SYMBOLS_PER_CONNECTION_MAX):
            part = symbols[start : start + SYMBOLS_PER_CONNECTION_MAX]
            listeners.append(
                (f"books-{start // SYMBOLS_PER_CONNECTION_MAX}", _BookListener(url, part, self._board, now))
            )
        self._loops = [
            StreamLoop(listener, name=name, random_share=random_share, limits=chosen, monotonic=monotonic, now=now)
            for name, listener in listeners
        ]

    @property
    def last_message_at(self) -> datetime | None:
        """When the stream that has been silent longest last said something; None while one never has."""
        moments = [loop.last_message_at for loop in self._loops]
        known = [moment for moment in moments if moment is not None]
        return min(known) if len(known) == len(moments) else None

    def run(self, sink: MarketDataSink, stop: threading.Event) -> None:
        """Feed the sink until `stop` is set. What the sink raises ends `run`, after the streams were stopped."""
        halt = threading.Event()
        with ThreadPoolExecutor(len(self._loops), thread_name_prefix="market-stream") as pool:
            try:
                running = [pool.submit(loop.run, halt) for loop in self._loops]
                while not stop.wait(self._put_seconds):
                    _raise_if_ended(running)
                    self._put(sink)
            finally:
                halt.set()

    def _put(self, sink: MarketDataSink) -> None:
        try:
            self._clock.now_ms()  # measures the offset again when that is due
            funding_hours = self._current_funding_hours()
        except ExchangeError as error:
            # Without the exchange's clock no age can be told: what was put before grows stale, which denies entries.
            log.warning("market_data_not_put", reason=str(error))
            return
        quotes, funding = self._board.take_changed(local_time_of=self._clock.local_time_of, funding_hours=funding_hours)
        if quotes or funding:
            sink.put(quotes, funding)

    def _current_funding_hours(self) -> Mapping[str, int]:
        now = self._monotonic()
        if self._funding_hours is not None and now < self._funding_hours_due:
            return self._funding_hours
        try:
            self._funding_hours = self._funding.funding_intervals()
        except ExchangeError as error:
            if self._funding_hours is None:
                raise
            log.warning("funding_intervals_not_refreshed", reason=str(error))
            self._funding_hours_due = now + FUNDING_HOURS_RETRY_SECONDS
            return self._funding_hours
        self._funding_hours_due = now + FUNDING_HOURS_REFRESH_SECONDS
        return self._funding_hours


def _raise_if_ended(running: Sequence[Future[None]]) -> None:
    for future in running:
        if future.done():
            future.result()
            raise StreamEndedError("a market stream ended by itself")


class _MarketListener(ABC):
    """What both kinds of market streams have in common."""

    def idle(self) -> None:  # noqa: B027 - not abstract: there is nothing to renew
        """Nothing is to be renewed."""

    def received(self, message: str | bytes) -> None:
        try:
            fields = Fields(parse_json(message), what="message")
            if fields.has("stream"):  # anything else is an answer to a command
                self.heard(fields)
        except MalformedAnswerError as error:
            raise ReconnectRequested(f"a message was not understood: {error}") from error

    @abstractmethod
    def url(self) -> str:
        """Where to connect to."""

    @abstractmethod
    def opened(self) -> None:
        """A connection stands; whatever was said before it is lost."""

    @abstractmethod
    def heard(self, fields: Fields) -> None:
        """An envelope `{"stream", "data"}`; may raise `MalformedAnswerError`."""


class _BookListener(_MarketListener):
    """`bookTicker` of some symbols: every change of a best price or its quantity."""

    def __init__(self, stream_url: str, symbols: Sequence[str], board: QuoteBoard, now: Callable[[], datetime]) -> None:
        self._stream_url = stream_url
        self._symbols = tuple(symbols)
        self._board = board
        self._now = now

    def url(self) -> str:
        return f"{self._stream_url}/public/stream?streams=" + "/".join(
            f"{symbol.lower()}@bookTicker" for symbol in self._symbols
        )

    def opened(self) -> None:
        self._board.forget_books(self._symbols)

    def heard(self, fields: Fields) -> None:
        data = fields.sub("data")
        book = Book(
            symbol=data.text("s"),
            bid_price=data.amount("b"),
            bid_quantity=data.amount("B"),
            ask_price=data.amount("a"),
            ask_quantity=data.amount("A"),
            at_ms=data.integer("E", maximum=MS_MAX),
            heard_at=self._now(),
        )
        self._board.put_books([book])


class _MarkListener(_MarketListener):
    """Mark price and funding rate of all symbols, once a second."""

    def __init__(self, stream_url: str, board: QuoteBoard, now: Callable[[], datetime]) -> None:
        self._stream_url = stream_url
        self._board = board
        self._now = now

    def url(self) -> str:
        return f"{self._stream_url}/market/stream?streams={MARKS_STREAM}"

    def opened(self) -> None:
        self._board.forget_marks()

    def heard(self, fields: Fields) -> None:
        heard_at = self._now()
        self._board.put_marks([_mark(mark, heard_at) for mark in fields.items("data")])


def _mark(fields: Fields, heard_at: datetime) -> Mark:
    # Delivery contracts have an empty rate and a next funding time of 0.
    has_funding = fields.has("r") and fields.text("r") != "" and fields.integer("T", maximum=MS_MAX) > 0
    return Mark(
        symbol=fields.text("s"),
        price=fields.amount("p"),
        at_ms=fields.integer("E", maximum=MS_MAX),
        heard_at=heard_at,
        funding_rate=fields.decimal("r") if has_funding else None,
        next_funding_at=moment_of(fields.integer("T", maximum=MS_MAX)) if has_funding else None,
    )
