"""Mark prices and funding: what will be paid next, what was paid, how often it is due."""

from typing import Any, Final

from app.paper_exchange.decimals import padded
from app.paper_exchange.rest.asked import symbols_asked
from app.paper_exchange.rest.params import Call
from app.paper_exchange.state import FundingPoint
from app.paper_exchange.venue import Venue

HOUR_MS: Final = 3_600_000
# Settlements from before the start that one request may ask the market for, per symbol.
FUNDING_BACKFILL_MAX: Final = 100
INTEREST_RATE: Final = "0.00010000"


def premium_index_json(venue: Venue, symbol: str, now_ms: int) -> dict[str, Any]:
    view = venue.market.funding(symbol)
    mark = venue.market.mark_price(symbol)
    return {
        "symbol": symbol,
        "markPrice": padded(mark, 8),
        "indexPrice": padded(venue.market.index_price(symbol), 8),
        "estimatedSettlePrice": padded(mark, 8),
        "lastFundingRate": padded(view.rate, 8),
        "interestRate": INTEREST_RATE,
        "nextFundingTime": venue.state.next_funding_ms[symbol],
        "time": now_ms,
    }


def premium_index(venue: Venue, call: Call) -> Any:
    symbols, single = symbols_asked(venue, call)
    rows = [premium_index_json(venue, symbol, call.moment.now_ms) for symbol in symbols]
    return rows[0] if single else rows


def _past_funding(venue: Venue, symbol: str, start_ms: int, end_ms: int, limit: int) -> list[FundingPoint]:
    """The last settlements in [start, end] from before this exchange ran, as the market's history has them."""
    market = venue.market
    interval = market.funding(symbol).interval_hours * HOUR_MS
    last = min(end_ms, venue.started_ms) // interval * interval
    points: list[FundingPoint] = []
    for due_ms in range(last, max(start_ms, last - limit * interval), -interval):
        candles = market.klines(symbol, HOUR_MS, due_ms - HOUR_MS, due_ms - 1, 1)
        if not candles:
            break
        points.append(FundingPoint(symbol, due_ms, market.funding_rate_at(symbol, due_ms), candles[-1].close))
    return points


def funding_rate(venue: Venue, call: Call) -> Any:
    """Past settlements, ascending; without a symbol those of every one."""
    limit = call.limit(default=100, maximum=1000)
    symbols, single = symbols_asked(venue, call)
    start = call.integer("startTime") or 0
    end = call.integer("endTime")
    if end is None:
        end = max(call.moment.now_ms, call.moment.market_ms)
    points = [
        point
        for symbol in symbols
        for point in venue.state.funding_history.get(symbol, ())
        if start <= point.at_ms <= end
    ]
    each = limit if single else max(1, limit // len(symbols))
    for symbol in symbols:
        points += _past_funding(venue, symbol, start, end, min(each, FUNDING_BACKFILL_MAX))
    points.sort(key=lambda point: point.at_ms)
    chosen = points[:limit] if start else points[-limit:]
    return [
        {
            "symbol": point.symbol,
            "fundingTime": point.at_ms,
            "fundingRate": padded(point.rate, 8),
            "markPrice": padded(point.mark_price, 8),
            "rateType": "SETTLED",
        }
        for point in chosen
    ]


def funding_info(venue: Venue, call: Call) -> Any:
    return [
        {
            "symbol": symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": venue.market.funding(symbol).interval_hours,
            "disclaimer": False,
        }
        for symbol in venue.market.symbols
    ]
