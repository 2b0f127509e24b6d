"""Market data streams: which names exist, how often each speaks, and what it says."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from app.paper_exchange.decimals import padded, plain
from app.paper_exchange.market.interface import KLINE_INTERVALS_MS, BookView, Kline
from app.paper_exchange.rest.books import book_ticker_json, book_with_own, levels_json
from app.paper_exchange.rest.prices import ticker_24hr_json
from app.paper_exchange.tape import PublicTrade
from app.paper_exchange.venue import Venue

Payload = Any
STREAM_NAME: Final = re.compile(
    r"^(?P<symbol>[^@!]+)@(?P<kind>[a-zA-Z]+)(?P<level>\d+)?(?:_(?P<interval>\w+))?(?:@(?P<rate>\w+))?$"
)
DIFF_LEVELS_MAX: Final = 500
RATES_MS: Final = {"100ms": 100, "250ms": 250, "500ms": 500, "1s": 1000, "3s": 3000}
TICKER_EVERY_MS: Final = 1_000


@dataclass(slots=True)
class MarketStream:
    """One stream somebody listens to: every `every_ms` it may have something to say."""

    name: str
    every_ms: int
    compose: Callable[[int], Payload | None]
    due_ms: int = 0


def open_stream(venue: Venue, name: str) -> MarketStream | None:
    """The stream of this name, or None when there is none (the exchange then stays silent)."""
    if name.startswith("!"):
        return _open_all(venue, name)
    found = STREAM_NAME.match(name)
    if found is None:
        return None
    symbol = found["symbol"].upper()
    if symbol not in venue.market.symbols:
        return None
    rate = RATES_MS.get(found["rate"] or "")
    kind = found["kind"]
    if kind == "markPrice":
        return MarketStream(name, rate or 3000, lambda now: mark_price(venue, symbol, now))
    if kind == "bookTicker":
        return MarketStream(name, 100, _only_changes(lambda now: book_ticker(venue, symbol, now)))
    if kind == "kline" and found["interval"] in KLINE_INTERVALS_MS:
        interval = found["interval"]
        return MarketStream(name, 250, _only_changes(_klines(venue, symbol, interval)))
    if kind == "depth":
        if found["level"]:
            level = int(found["level"])
            if level not in (5, 10, 20):
                return None
            return MarketStream(name, rate or 250, lambda now: partial_depth(venue, symbol, level, now))
        return MarketStream(name, rate or 250, _diff_depth(venue, symbol))
    if kind == "ticker":
        return MarketStream(name, TICKER_EVERY_MS, lambda now: ticker(venue, symbol, now))
    if kind == "miniTicker":
        return MarketStream(name, TICKER_EVERY_MS, lambda now: mini_ticker(venue, symbol, now))
    if kind == "aggTrade":
        return _silent(name)
    return None


def _open_all(venue: Venue, name: str) -> MarketStream | None:
    symbols = list(venue.market.symbols)
    if name in ("!markPrice@arr", "!markPrice@arr@1s", "!markPrice@arr@3s"):
        every = 1000 if name.endswith("@1s") else 3000
        return MarketStream(name, every, lambda now: [mark_price(venue, symbol, now) for symbol in symbols])
    if name == "!ticker@arr":
        return MarketStream(name, TICKER_EVERY_MS, lambda now: [ticker(venue, s, now) for s in symbols])
    if name == "!miniTicker@arr":
        return MarketStream(name, TICKER_EVERY_MS, lambda now: [mini_ticker(venue, s, now) for s in symbols])
    if name in ("!bookTicker", "!forceOrder@arr", "!contractInfo"):
        return _silent(name)
    return None


def _silent(name: str) -> MarketStream:
    """Exists, but is fed from elsewhere (aggTrade, !bookTicker) or never has anything to say."""
    return MarketStream(name, 3_600_000, lambda now: None)


def _only_changes(compose: Callable[[int], dict[str, Any]]) -> Callable[[int], Payload | None]:
    """Say something only when anything but the event time differs from the last time."""
    last: list[Any] = [None]

    def composed(now: int) -> Payload | None:
        payload = compose(now)
        content = {name: value for name, value in payload.items() if name not in ("E", "T")}
        if content == last[0]:
            return None
        last[0] = content
        return payload

    return composed


def mark_price(venue: Venue, symbol: str, now: int) -> dict[str, Any]:
    mark = venue.market.mark_price(symbol)
    return {
        "e": "markPriceUpdate",
        "E": now,
        "s": symbol,
        "p": padded(mark, 8),
        "ap": padded(mark, 8),
        "i": padded(venue.market.index_price(symbol), 8),
        "P": padded(mark, 8),
        "r": padded(venue.state.funding_rates[symbol], 8),
        "T": venue.state.next_funding_ms[symbol],
    }


def book_ticker(venue: Venue, symbol: str, now: int) -> dict[str, Any]:
    row = book_ticker_json(venue, symbol, now)
    return {
        "e": "bookTicker",
        "u": row["lastUpdateId"],
        "s": symbol,
        "b": row["bidPrice"],
        "B": row["bidQty"],
        "a": row["askPrice"],
        "A": row["askQty"],
        "T": now,
        "E": now,
    }


def _klines(venue: Venue, symbol: str, interval: str) -> Callable[[int], dict[str, Any]]:
    """The live candle; when a new one has begun, first the old one once more, closed."""
    length_ms = KLINE_INTERVALS_MS[interval]
    told: list[int] = []

    def compose(now: int) -> dict[str, Any]:
        newest = venue.market.klines(symbol, length_ms, None, None, 1)[-1]
        ended = venue.market.klines(symbol, length_ms, told[0], told[0], 1) if told else []
        told[:] = [newest.open_ms]
        if ended and ended[0].open_ms < newest.open_ms:
            return kline(venue, symbol, interval, ended[0], now, is_closed=True)
        return kline(venue, symbol, interval, newest, now, is_closed=False)

    return compose


def kline(venue: Venue, symbol: str, interval: str, row: Kline, now: int, *, is_closed: bool) -> dict[str, Any]:
    spec = venue.market.symbols[symbol]
    price, digits = spec.price_precision, spec.quantity_precision
    return {
        "e": "kline",
        "E": now,
        "s": symbol,
        "k": {
            "t": row.open_ms,
            "T": row.close_ms,
            "s": symbol,
            "i": interval,
            "f": 0,
            "L": row.trades,
            "o": padded(row.open, price),
            "c": padded(row.close, price),
            "h": padded(row.high, price),
            "l": padded(row.low, price),
            "v": padded(row.volume, digits),
            "n": row.trades,
            "x": is_closed,
            "q": plain(row.quote_volume),
            "V": padded(row.taker_buy_volume, digits),
            "Q": plain(row.taker_buy_quote_volume),
            "B": "0",
        },
    }


def partial_depth(venue: Venue, symbol: str, level: int, now: int) -> dict[str, Any]:
    spec = venue.market.symbols[symbol]
    book = book_with_own(venue, symbol, level)
    return {
        "e": "depthUpdate",
        "E": now,
        "T": now,
        "s": symbol,
        "U": book.last_update_id,
        "u": book.last_update_id,
        "pu": book.last_update_id - 1,
        "b": levels_json(book.bids, spec),
        "a": levels_json(book.asks, spec),
    }


def _diff_depth(venue: Venue, symbol: str) -> Callable[[int], Payload | None]:
    """Changed levels since the last message; a level that went away has quantity 0."""
    spec = venue.market.symbols[symbol]
    last: list[BookView] = [book_with_own(venue, symbol, DIFF_LEVELS_MAX)]
    told = [last[0].last_update_id]

    def changes(before: tuple[Any, ...], after: tuple[Any, ...]) -> list[list[str]]:
        old, new = dict(before), dict(after)
        zero = padded(spec.quantity_step * 0, spec.quantity_precision)
        rows = [
            [padded(p, spec.price_precision), padded(q, spec.quantity_precision)]
            for p, q in new.items()
            if old.get(p) != q
        ]
        return rows + [[padded(p, spec.price_precision), zero] for p in old if p not in new]

    def compose(now: int) -> Payload | None:
        before, after = last[0], book_with_own(venue, symbol, DIFF_LEVELS_MAX)
        bids, asks = changes(before.bids, after.bids), changes(before.asks, after.asks)
        if not bids and not asks:
            return None
        last[0] = after
        # Orders of the account change the book without a new id of the market; the chain must not break for that.
        previous, told[0] = told[0], max(after.last_update_id, told[0] + 1)
        return {
            "e": "depthUpdate",
            "E": now,
            "T": now,
            "s": symbol,
            "U": previous + 1,
            "u": told[0],
            "pu": previous,
            "b": bids,
            "a": asks,
        }

    return compose


def agg_trade(venue: Venue, trade: PublicTrade) -> dict[str, Any]:
    spec = venue.market.symbols[trade.symbol]
    return {
        "e": "aggTrade",
        "E": trade.at_ms,
        "s": trade.symbol,
        "a": trade.trade_id,
        "p": padded(trade.price, spec.price_precision),
        "q": padded(trade.quantity, spec.quantity_precision),
        "nq": padded(trade.quantity, spec.quantity_precision),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.at_ms,
        "m": trade.buyer_is_maker,
    }


def ticker(venue: Venue, symbol: str, now: int) -> dict[str, Any]:
    row = ticker_24hr_json(venue, symbol, now)
    return {
        "e": "24hrTicker",
        "E": now,
        "s": symbol,
        "p": row["priceChange"],
        "P": row["priceChangePercent"],
        "w": row["weightedAvgPrice"],
        "c": row["lastPrice"],
        "Q": row["lastQty"],
        "o": row["openPrice"],
        "h": row["highPrice"],
        "l": row["lowPrice"],
        "v": row["volume"],
        "q": row["quoteVolume"],
        "O": row["openTime"],
        "C": row["closeTime"],
        "F": row["firstId"],
        "L": row["lastId"],
        "n": row["count"],
    }


def mini_ticker(venue: Venue, symbol: str, now: int) -> dict[str, Any]:
    row = ticker_24hr_json(venue, symbol, now)
    return {
        "e": "24hrMiniTicker",
        "E": now,
        "s": symbol,
        "c": row["lastPrice"],
        "o": row["openPrice"],
        "h": row["highPrice"],
        "l": row["lowPrice"],
        "v": row["volume"],
        "q": row["quoteVolume"],
    }
