"""The market the paper exchange trades on: a seeded model or recorded candles behind one interface."""

from app.paper_exchange.market.interface import (
    BOOK_LEVELS_MAX,
    KLINE_INTERVALS_MS,
    KLINES_MAX,
    BookView,
    FundingView,
    Kline,
    Market,
    MarketError,
    Side,
)
from app.paper_exchange.market.opening import open_market

__all__ = [
    "BOOK_LEVELS_MAX",
    "KLINES_MAX",
    "KLINE_INTERVALS_MS",
    "BookView",
    "FundingView",
    "Kline",
    "Market",
    "MarketError",
    "Side",
    "open_market",
]
