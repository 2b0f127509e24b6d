"""A market that moves only when a test says so, and an engine at a table: every price and every moment by hand."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from app.paper_exchange.conditional import AlgoOrder, AlgoRequest, AlgoType
from app.paper_exchange.engine import Engine
from app.paper_exchange.errors import Refusal
from app.paper_exchange.events import Event
from app.paper_exchange.market import BookView, FundingView, Kline, Side
from app.paper_exchange.matching import UNDISTURBED, Conditions
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import Order, OrderRequest, OrderType, TimeInForce
from app.paper_exchange.state import ExchangeState
from app.paper_exchange.symbols import CATALOGUE, SymbolSpec

D = Decimal
START_MS = 1_795_000_000_000
BTC, ETH, XRP = "BTCUSDT", "ETHUSDT", "XRPUSDT"
PRICES = {BTC: D("90000.0"), ETH: D("3000.00"), XRP: D("2.0000")}
HOUR_MS = 3_600_000

Levels = list[tuple[Decimal, Decimal]]


class FixedMarket:
    """Three symbols whose books stay as set; what is taken is gone until the price is set again."""

    def __init__(self) -> None:
        self._marks = dict(PRICES)
        self._lasts = dict(PRICES)
        self._bids: dict[str, Levels] = {}
        self._asks: dict[str, Levels] = {}
        self.rates = dict.fromkeys(PRICES, D("0.0001"))
        self.now_ms = START_MS
        self.funding_interval_ms = 8 * HOUR_MS
        self._updates = 1
        for symbol in PRICES:
            self.set_price(symbol, PRICES[symbol])

    @property
    def symbols(self) -> Mapping[str, SymbolSpec]:
        return MappingProxyType({symbol: CATALOGUE[symbol] for symbol in PRICES})

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    def behind_ms(self) -> int:
        return 0

    def set_price(self, symbol: str, price: Decimal | str, *, quantity: str = "1", levels: int = 5) -> None:
        """Mark and last at `price`, a fresh book around it: `levels` a side, one tick apart, `quantity` each."""
        price = D(price)
        tick = CATALOGUE[symbol].price_tick
        self._marks[symbol] = self._lasts[symbol] = price
        self._bids[symbol] = [(price - tick * n, D(quantity)) for n in range(1, levels + 1)]
        self._asks[symbol] = [(price + tick * n, D(quantity)) for n in range(1, levels + 1)]
        self._updates += 1

    def set_book(self, symbol: str, *, bids: Levels, asks: Levels) -> None:
        self._bids[symbol], self._asks[symbol] = list(bids), list(asks)
        self._updates += 1

    def set_mark(self, symbol: str, price: str) -> None:
        self._marks[symbol] = D(price)

    def advance(self, now_ms: int) -> None:
        self.now_ms = max(self.now_ms, now_ms)

    def mark_price(self, symbol: str) -> Decimal:
        return self._marks[symbol]

    index_price = mark_price

    def last_price(self, symbol: str) -> Decimal:
        return self._lasts[symbol]

    def book(self, symbol: str, limit: int) -> BookView:
        bids, asks = tuple(self._bids[symbol][:limit]), tuple(self._asks[symbol][:limit])
        return BookView(symbol, bids, asks, self._updates)

    def take(
        self, symbol: str, side: Side, quantity: Decimal, limit_price: Decimal | None
    ) -> list[tuple[Decimal, Decimal]]:
        levels = self._asks[symbol] if side == "BUY" else self._bids[symbol]
        taken: Levels = []
        while levels and quantity > 0:
            price, offered = levels[0]
            if limit_price is not None and (price > limit_price if side == "BUY" else price < limit_price):
                break
            part = min(offered, quantity)
            taken.append((price, part))
            quantity -= part
            if part == offered:
                levels.pop(0)
            else:
                levels[0] = (price, offered - part)
        self._updates += 1
        return taken

    def funding(self, symbol: str) -> FundingView:
        interval = self.funding_interval_ms
        return FundingView(symbol, self.rates[symbol], (self.now_ms // interval + 1) * interval, 8)

    def funding_rate_at(self, symbol: str, funding_ms: int) -> Decimal:
        return self.rates[symbol]

    def klines(
        self, symbol: str, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Kline]:
        return []

    def record_trade(self, symbol: str, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        self._lasts[symbol] = price


class Table:
    """An engine on a fixed market with a deposit, and shorthand for what tests do at it."""

    def __init__(self, market: FixedMarket, *, wallet: str = "10000") -> None:
        self.market = market
        self.state = ExchangeState(market)
        self.engine = Engine(self.state, market_ms=START_MS)
        self.now_us = START_MS * 1000
        self.deposit = D(wallet)
        self.engine.deposit(self.deposit, self.moment)
        self.state.take_events()

    @property
    def moment(self) -> Moment:
        return Moment(self.now_us, self.now_us // 1000)

    @property
    def wallet(self) -> Decimal:
        return self.state.account.wallet

    def quantity(self, symbol: str = BTC) -> Decimal:
        return self.state.account.position(symbol).quantity

    def pass_time(self, milliseconds: int = 100) -> None:
        self.now_us += milliseconds * 1000
        self.engine.advance(self.moment)

    def order(self, side: Side, quantity: str, price: str | None = None, *, symbol: str = BTC, **more: Any) -> Any:
        """Place an order (MARKET without a price) and return it, or the refusal."""
        conditions: Conditions = more.pop("conditions", UNDISTURBED)
        request = OrderRequest(
            symbol=symbol,
            side=side,
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            quantity=D(quantity),
            price=D(0) if price is None else D(price),
            time_in_force=TimeInForce(more.pop("force", "GTC")),
            **more,
        )
        return self.engine.place(request, self.moment, conditions)

    def placed(self, *args: Any, **more: Any) -> Order:
        """As `order`, for orders that must stand."""
        order = self.order(*args, **more)
        assert isinstance(order, Order), order
        return order

    def refused(self, *args: Any, **more: Any) -> int:
        """As `order`, for orders that must be refused: the code."""
        order = self.order(*args, **more)
        assert isinstance(order, Refusal), order
        return order.code

    def algo(self, kind: str, side: Side, trigger: str, quantity: str = "0.01", **more: Any) -> AlgoOrder | Refusal:
        request = AlgoRequest(
            symbol=more.pop("symbol", BTC),
            side=side,
            type=AlgoType(kind),
            quantity=D(quantity),
            trigger_price=D(trigger),
            **more,
        )
        return self.engine.place_algo(request, self.moment)

    def stop(self, *args: Any, **more: Any) -> AlgoOrder:
        algo = self.algo(*args, **more)
        assert isinstance(algo, AlgoOrder), algo
        return algo

    def events(self) -> list[Event]:
        return self.state.take_events()

    def unrealised(self) -> Decimal:
        positions = self.state.account.positions.values()
        return sum((p.unrealised_pnl(self.market.mark_price(p.symbol)) for p in positions if p.quantity), D(0))
