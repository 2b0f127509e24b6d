"""The public tape: trades as the market's candles imply them, for trades, aggTrades and their stream."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from app.paper_exchange.decimals import ZERO, floor_to_step
from app.paper_exchange.market import Market

TRADES_KEPT_MAX = 1_000
OBSERVE_EVERY_MS = 500
CANDLE_MS = 60_000


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One trade of the outside market."""

    trade_id: int
    symbol: str
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    at_ms: int


@dataclass(slots=True)
class Tape:
    """Watches the live candle: the volume it gained since the last look becomes one trade at the last price."""

    trades: dict[str, deque[PublicTrade]] = field(default_factory=dict)
    fresh: list[PublicTrade] = field(default_factory=list)
    _seen: dict[str, tuple[int, Decimal, Decimal]] = field(default_factory=dict)
    _next_id: int = 1
    _observed_ms: int = 0

    def observe(self, market: Market, now_ms: int) -> None:
        """Look at every symbol at most twice a second; the trades found wait in `fresh` until taken."""
        if 0 <= now_ms - self._observed_ms < OBSERVE_EVERY_MS:
            return
        self._observed_ms = now_ms
        self.fresh = []
        for symbol, spec in market.symbols.items():
            candles = market.klines(symbol, CANDLE_MS, None, None, 1)
            if not candles:
                continue
            candle, price = candles[-1], market.last_price(symbol)
            open_ms, volume, last = self._seen.get(symbol, (candle.open_ms, candle.volume, price))
            self._seen[symbol] = (candle.open_ms, candle.volume, price)
            gained = candle.volume - volume if candle.open_ms == open_ms else candle.volume
            quantity = floor_to_step(max(ZERO, gained), spec.quantity_step)
            if quantity <= 0:
                continue
            trade = PublicTrade(self._next_id, symbol, price, quantity, price < last, now_ms)
            self._next_id += 1
            self.trades.setdefault(symbol, deque(maxlen=TRADES_KEPT_MAX)).append(trade)
            self.fresh.append(trade)

    def take_fresh(self) -> list[PublicTrade]:
        fresh, self.fresh = self.fresh, []
        return fresh
