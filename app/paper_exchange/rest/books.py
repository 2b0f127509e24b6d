"""Books and the public tape: depth, best prices, trades."""

from decimal import Decimal
from itertools import islice
from typing import Any, Final

from app.paper_exchange.decimals import ZERO, floor_to_step, padded, plain
from app.paper_exchange.market import BookView
from app.paper_exchange.rest.asked import symbol_of, symbols_asked
from app.paper_exchange.rest.params import Call, refuse
from app.paper_exchange.symbols import SymbolSpec
from app.paper_exchange.venue import Venue

DEPTH_LIMITS: Final = (5, 10, 20, 50, 100, 500, 1000)


def book_with_own(venue: Venue, symbol: str, limit: int) -> BookView:
    """The outside book, thinned by a fault if there is one, together with the account's own resting orders."""
    book = venue.market.book(symbol, limit)
    depth = venue.shown_depth(symbol)
    own = list(venue.state.open_of(symbol))
    if depth is None and not own:
        return book
    step = venue.market.symbols[symbol].quantity_step
    sides: list[tuple[tuple[Decimal, Decimal], ...]] = []
    for side, levels in (("BUY", book.bids), ("SELL", book.asks)):
        merged: dict[Decimal, Decimal] = {}
        for price, quantity in levels:
            shown = quantity if depth is None else floor_to_step(quantity * depth, step)
            if shown > 0:
                merged[price] = shown
        for order in own:
            if order.side == side:
                merged[order.price] = merged.get(order.price, ZERO) + order.remaining
        ordered = sorted(merged.items(), reverse=side == "BUY")
        sides.append(tuple(islice(ordered, limit)))
    return BookView(symbol, sides[0], sides[1], book.last_update_id)


def levels_json(levels: tuple[tuple[Decimal, Decimal], ...], spec: SymbolSpec) -> list[list[str]]:
    return [[padded(p, spec.price_precision), padded(q, spec.quantity_precision)] for p, q in levels]


def depth(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call)
    limit = call.integer("limit")
    if limit is None:
        limit = 500
    elif limit > DEPTH_LIMITS[-1]:
        refuse(-1130, name="limit")
    elif limit not in DEPTH_LIMITS:
        refuse(-4021, value=limit)
    spec = venue.market.symbols[symbol]
    book = book_with_own(venue, symbol, limit)
    return {
        "lastUpdateId": book.last_update_id,
        "E": call.moment.now_ms,
        "T": call.moment.now_ms,
        "bids": levels_json(book.bids, spec),
        "asks": levels_json(book.asks, spec),
    }


def book_ticker_json(venue: Venue, symbol: str, now_ms: int) -> dict[str, Any]:
    spec = venue.market.symbols[symbol]
    book = book_with_own(venue, symbol, 1)
    bid, ask = (levels[0] if levels else (ZERO, ZERO) for levels in (book.bids, book.asks))
    return {
        "symbol": symbol,
        "bidPrice": padded(bid[0], spec.price_precision),
        "bidQty": padded(bid[1], spec.quantity_precision),
        "askPrice": padded(ask[0], spec.price_precision),
        "askQty": padded(ask[1], spec.quantity_precision),
        "time": now_ms,
        "lastUpdateId": book.last_update_id,
    }


def book_ticker(venue: Venue, call: Call) -> Any:
    symbols, single = symbols_asked(venue, call)
    rows = [book_ticker_json(venue, symbol, call.moment.now_ms) for symbol in symbols]
    return rows[0] if single else rows


def trades(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call)
    spec = venue.market.symbols[symbol]
    limit = call.limit(default=500, maximum=1000)
    tape = list(venue.tape.trades.get(symbol, ()))[-limit:]
    return [
        {
            "id": trade.trade_id,
            "price": padded(trade.price, spec.price_precision),
            "qty": padded(trade.quantity, spec.quantity_precision),
            "quoteQty": plain(trade.price * trade.quantity),
            "time": trade.at_ms,
            "isBuyerMaker": trade.buyer_is_maker,
            "isRPITrade": False,
        }
        for trade in tape
    ]


def agg_trades(venue: Venue, call: Call) -> Any:
    symbol = symbol_of(venue, call)
    spec = venue.market.symbols[symbol]
    limit = call.limit(default=500, maximum=1000)
    from_id = call.integer("fromId")
    start, end = call.integer("startTime"), call.integer("endTime")
    tape = [
        trade
        for trade in venue.tape.trades.get(symbol, ())
        if (from_id is None or trade.trade_id >= from_id)
        and (start is None or trade.at_ms >= start)
        and (end is None or trade.at_ms <= end)
    ]
    chosen = tape[:limit] if from_id is not None or start is not None else tape[-limit:]
    return [
        {
            "a": trade.trade_id,
            "p": padded(trade.price, spec.price_precision),
            "q": padded(trade.quantity, spec.quantity_precision),
            # The part that met no retail price improvement order: all of it.
            "nq": padded(trade.quantity, spec.quantity_precision),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.at_ms,
            "m": trade.buyer_is_maker,
        }
        for trade in chosen
    ]
