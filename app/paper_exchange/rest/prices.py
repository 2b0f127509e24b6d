"""Last prices, candles and the figures of the last day."""

from typing import Any, Final

from app.paper_exchange.decimals import ZERO, money, padded, plain
from app.paper_exchange.market import KLINE_INTERVALS_MS, KLINES_MAX
from app.paper_exchange.rest.asked import symbol_of, symbols_asked
from app.paper_exchange.rest.params import Call, refuse
from app.paper_exchange.venue import Venue

HOUR_MS: Final = 3_600_000


def ticker_price(venue: Venue, call: Call) -> Any:
    symbols, single = symbols_asked(venue, call)
    rows = [
        {
            "symbol": symbol,
            "price": padded(venue.market.last_price(symbol), venue.market.symbols[symbol].price_precision),
            "time": call.moment.now_ms,
        }
        for symbol in symbols
    ]
    return rows[0] if single else rows


def ticker_24hr_json(venue: Venue, symbol: str, now_ms: int) -> dict[str, Any]:
    """Figures over the last 24 hourly candles; candle times are market time."""
    spec = venue.market.symbols[symbol]
    candles = venue.market.klines(symbol, HOUR_MS, None, None, 24)
    last = venue.market.last_price(symbol)
    first_open = candles[0].open if candles else last
    volume = sum((c.volume for c in candles), ZERO)
    quote_volume = sum((c.quote_volume for c in candles), ZERO)
    trades = sum(c.trades for c in candles)
    tape = venue.tape.trades.get(symbol)
    change = last - first_open
    price = spec.price_precision
    return {
        "symbol": symbol,
        "priceChange": padded(change, price),
        "priceChangePercent": f"{change / first_open * 100:.3f}" if first_open else "0.000",
        "weightedAvgPrice": padded(money(quote_volume / volume), price) if volume else padded(last, price),
        "lastPrice": padded(last, price),
        "lastQty": padded(tape[-1].quantity if tape else spec.quantity_min, spec.quantity_precision),
        "openPrice": padded(first_open, price),
        "highPrice": padded(max((c.high for c in candles), default=last), price),
        "lowPrice": padded(min((c.low for c in candles), default=last), price),
        "volume": padded(volume, spec.quantity_precision),
        "quoteVolume": padded(quote_volume, 2),
        "openTime": candles[0].open_ms if candles else now_ms,
        "closeTime": now_ms,
        "firstId": max(1, trades and 1),
        "lastId": max(1, trades),
        "count": trades,
    }


def ticker_24hr(venue: Venue, call: Call) -> Any:
    symbols, single = symbols_asked(venue, call)
    rows = [ticker_24hr_json(venue, symbol, call.moment.now_ms) for symbol in symbols]
    return rows[0] if single else rows


def klines(venue: Venue, call: Call) -> Any:
    return _klines(venue, call, symbol_of(venue, call))


def pair_klines(venue: Venue, call: Call) -> Any:
    """Continuous and index price candles are asked for by pair; they are those of the last price here."""
    pair = call.required("pair")
    if pair not in venue.market.symbols:
        refuse(-1121)
    return _klines(venue, call, pair)


def _klines(venue: Venue, call: Call, symbol: str) -> Any:
    interval = call.required("interval")
    if interval not in KLINE_INTERVALS_MS:
        refuse(-1120)
    limit = call.limit(default=500, maximum=KLINES_MAX)
    spec = venue.market.symbols[symbol]
    rows = venue.market.klines(
        symbol, KLINE_INTERVALS_MS[interval], call.integer("startTime"), call.integer("endTime"), limit
    )
    price, quantity = spec.price_precision, spec.quantity_precision
    return [
        [
            row.open_ms,
            padded(row.open, price),
            padded(row.high, price),
            padded(row.low, price),
            padded(row.close, price),
            padded(row.volume, quantity),
            row.close_ms,
            plain(row.quote_volume),
            row.trades,
            padded(row.taker_buy_volume, quantity),
            plain(row.taker_buy_quote_volume),
            "0",
        ]
        for row in rows
    ]
