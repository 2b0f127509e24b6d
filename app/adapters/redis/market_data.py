"""The newest market facts in Redis: a hash of quotes and one of funding rates, a field for each symbol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import structlog

from app.adapters.redis.client import RedisLink, RedisUnavailableError
from app.domain.market import FundingRate, Quote

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

log = structlog.get_logger(__name__)


class RedisMarketData:
    """`app.ports.MarketData` and `MarketDataSink`. Without Redis nothing is known, which denies entries.

    Decimals are kept as their text and times in microseconds, so what is read equals what was put.
    """

    def __init__(self, link: RedisLink, *, prefix: str = "qt:{market}") -> None:
        self._link = link
        self._quotes_key = f"{prefix}:quotes"
        self._funding_key = f"{prefix}:funding"
        self._lock = threading.Lock()
        self._is_away = False

    def put(self, quotes: Sequence[Quote], funding: Sequence[FundingRate]) -> None:
        """Replace what is known of these symbols, in one round trip; lost without Redis: the next one replaces it."""
        if not quotes and not funding:
            return

        def write(client: Any) -> None:
            pipeline = client.pipeline(transaction=False)
            if quotes:
                pipeline.hset(self._quotes_key, mapping={quote.symbol: _quote_text(quote) for quote in quotes})
            if funding:
                pipeline.hset(self._funding_key, mapping={rate.symbol: _funding_text(rate) for rate in funding})
            pipeline.execute()

        self._attempt(write, otherwise=None)

    def quote(self, symbol: str) -> Quote | None:
        """Best bid, best ask, mark price; None when not known."""
        text = self._attempt(lambda client: client.hget(self._quotes_key, symbol), otherwise=None)
        return None if text is None else _quote(symbol, text)

    def funding(self, symbol: str) -> FundingRate | None:
        """The coming funding rate; None when not known."""
        text = self._attempt(lambda client: client.hget(self._funding_key, symbol), otherwise=None)
        return None if text is None else _funding(symbol, text)

    def quotes(self) -> Mapping[str, Quote]:
        """All quotes known, by symbol; none without Redis."""
        texts: Mapping[bytes, bytes] = self._attempt(lambda client: client.hgetall(self._quotes_key), otherwise={})
        return {name.decode(): _quote(name.decode(), text) for name, text in texts.items()}

    def _attempt(self, operation: Callable[[Any], Any], *, otherwise: Any) -> Any:
        try:
            answer = self._link.call(operation)
        except RedisUnavailableError as error:
            if self._changed(is_away=True):
                log.warning("market_data_unknown", error=str(error))  # once an outage, not once a question
            return otherwise
        if self._is_away and self._changed(is_away=False):
            log.info("market_data_known_again")
        return answer

    def _changed(self, *, is_away: bool) -> bool:
        with self._lock:
            changed = self._is_away != is_away
            self._is_away = is_away
            return changed


def _quote_text(quote: Quote) -> bytes:
    prices = (quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity, quote.mark_price)
    return orjson.dumps([*(str(price) for price in prices), _microseconds(quote.observed_at)])


def _quote(symbol: str, text: bytes) -> Quote:
    bid_price, bid_quantity, ask_price, ask_quantity, mark_price, observed_us = orjson.loads(text)
    return Quote(
        symbol=symbol,
        bid_price=Decimal(bid_price),
        bid_quantity=Decimal(bid_quantity),
        ask_price=Decimal(ask_price),
        ask_quantity=Decimal(ask_quantity),
        mark_price=Decimal(mark_price),
        observed_at=_moment(observed_us),
    )


def _funding_text(rate: FundingRate) -> bytes:
    return orjson.dumps(
        [str(rate.rate), rate.interval_hours, _microseconds(rate.next_funding_at), _microseconds(rate.observed_at)]
    )


def _funding(symbol: str, text: bytes) -> FundingRate:
    rate, interval_hours, next_us, observed_us = orjson.loads(text)
    return FundingRate(
        symbol=symbol,
        rate=Decimal(rate),
        interval_hours=interval_hours,
        next_funding_at=_moment(next_us),
        observed_at=_moment(observed_us),
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
