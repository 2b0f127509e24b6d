"""Everything the exchange remembers: its indexes, its outbox of events and the list of what must be made durable."""

import hashlib
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain

from app.paper_exchange.account import ASSET, Account
from app.paper_exchange.conditional import AlgoOrder
from app.paper_exchange.decimals import ZERO
from app.paper_exchange.events import AccountEvent, AlgoEvent, Event, OrderEvent
from app.paper_exchange.market import Market
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import Fill, Income, IncomeType, Order
from app.paper_exchange.requests_log import RequestLog

Entity = tuple[str, str]


@dataclass(slots=True)
class Counters:
    """The next number of each kind. Order and trade ids rise, as the exchange's do."""

    order_id: int = 8_000_000_001
    algo_id: int = 1_000_000_001
    trade_id: int = 500_000_001
    tran_id: int = 90_000_000_001
    queue_place: int = 1

    def take(self, name: str) -> int:
        value: int = getattr(self, name)
        setattr(self, name, value + 1)
        return value


@dataclass(slots=True)
class Countdown:
    """A dead man's switch: cancel the symbol's open orders at `due_ms` unless called again."""

    symbol: str
    due_ms: int


@dataclass(slots=True)
class FundingPoint:
    """One past funding settlement of a symbol, as fundingRate lists it."""

    symbol: str
    at_ms: int
    rate: Decimal
    mark_price: Decimal


@dataclass(slots=True)
class ExchangeState:
    """The engine's memory. Methods here only keep indexes, events and durability consistent; rules live elsewhere."""

    market: Market
    account: Account = field(default_factory=Account)
    counters: Counters = field(default_factory=Counters)
    orders: dict[int, Order] = field(default_factory=dict)
    open_orders: dict[str, dict[int, Order]] = field(default_factory=dict)
    open_client_ids: dict[tuple[str, str], int] = field(default_factory=dict)
    by_client_id: dict[tuple[str, str], int] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    fills_of_order: dict[int, list[Fill]] = field(default_factory=dict)
    fills_of_symbol: dict[str, list[Fill]] = field(default_factory=dict)
    incomes: list[Income] = field(default_factory=list)
    algos: dict[int, AlgoOrder] = field(default_factory=dict)
    open_algos: dict[int, AlgoOrder] = field(default_factory=dict)
    algo_of_order: dict[int, int] = field(default_factory=dict)
    countdowns: dict[str, Countdown] = field(default_factory=dict)
    funding_history: dict[str, list[FundingPoint]] = field(default_factory=dict)
    next_funding_ms: dict[str, int] = field(default_factory=dict)
    funding_rates: dict[str, Decimal] = field(default_factory=dict)
    requests: RequestLog = field(default_factory=RequestLog)
    events: list[Event] = field(default_factory=list)
    changes: dict[Entity, object] = field(default_factory=dict)
    margin_called: bool = False
    _open_notional: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    def changed(self, kind: str, key: object, value: object) -> None:
        """Note what the journal has to write with the next commit."""
        self.changes[kind, str(key)] = value

    def account_changed(self) -> None:
        self.changes["account", "wallet"] = None
        self.changes["counters", "all"] = None

    def position_changed(self, symbol: str) -> None:
        self.changes["position", symbol] = self.account.position(symbol)

    def open_of(self, symbol: str) -> Iterable[Order]:
        """The symbol's open orders in the order they arrived."""
        return self.open_orders.get(symbol, {}).values()

    def all_open(self) -> Iterable[Order]:
        return chain.from_iterable(orders.values() for orders in self.open_orders.values())

    def add_order(self, order: Order) -> None:
        """Take a new order in."""
        self.orders[order.order_id] = order
        key = (order.symbol, order.client_order_id)
        self.by_client_id[key] = order.order_id
        if order.is_open:
            self.open_orders.setdefault(order.symbol, {})[order.order_id] = order
            self.open_client_ids[key] = order.order_id
        self.order_changed(order)

    def order_changed(self, order: Order) -> None:
        """Keep the indexes right after any change of an order."""
        if not order.is_open:
            self.open_orders.get(order.symbol, {}).pop(order.order_id, None)
            key = (order.symbol, order.client_order_id)
            if self.open_client_ids.get(key) == order.order_id:
                del self.open_client_ids[key]
        self._open_notional.pop(order.symbol, None)
        self.changed("order", order.order_id, order)
        self.changes["counters", "all"] = None

    def open_notional(self, symbol: str) -> tuple[Decimal, Decimal]:
        """What the open BUY and SELL orders that may enlarge a position would cost at their prices."""
        found = self._open_notional.get(symbol)
        if found is None:
            bids = asks = ZERO
            for order in self.open_of(symbol):
                if order.reduce_only:
                    continue
                if order.side == "BUY":
                    bids += order.remaining * order.price
                else:
                    asks += order.remaining * order.price
            found = self._open_notional[symbol] = (bids, asks)
        return found

    def add_fill(self, fill: Fill) -> None:
        self.fills.append(fill)
        self.fills_of_order.setdefault(fill.order_id, []).append(fill)
        self.fills_of_symbol.setdefault(fill.symbol, []).append(fill)
        self.changed("fill", fill.trade_id, fill)

    def book_income(
        self, kind: IncomeType, amount: Decimal, *, symbol: str, at_us: int, info: str = "", trade_id: str = ""
    ) -> None:
        """Book an amount on the wallet. The wallet is only ever changed here."""
        income = Income(self.counters.take("tran_id"), kind, symbol, amount, ASSET, info, at_us, trade_id)
        self.incomes.append(income)
        self.account.wallet += amount
        self.account.updated_us = at_us
        self.changed("income", f"{income.tran_id}", income)
        self.account_changed()

    def algo_changed(self, algo: AlgoOrder) -> None:
        if algo.is_open:
            self.open_algos[algo.algo_id] = algo
        else:
            self.open_algos.pop(algo.algo_id, None)
        self.algos[algo.algo_id] = algo
        if algo.actual_order_id:
            self.algo_of_order[algo.actual_order_id] = algo.algo_id
        self.changed("algo", algo.algo_id, algo)
        self.changes["counters", "all"] = None

    def set_countdown(self, symbol: str, due_ms: int) -> None:
        """Arm (or with 0 disarm) a symbol's dead man's switch."""
        countdown = Countdown(symbol, due_ms)
        if due_ms:
            self.countdowns[symbol] = countdown
        else:
            self.countdowns.pop(symbol, None)
        self.changed("countdown", symbol, countdown)

    def tell_order(self, order: Order, execution_type: str, moment: Moment, fill: Fill | None = None) -> None:
        """Tell the streams about an order."""
        bids, asks = self.open_notional(order.symbol)
        self.events.append(OrderEvent(moment.now_us, copy(order), execution_type, fill, bids, asks))

    def tell_account(self, reason: str, moment: Moment, *, symbols: Iterable[str], change: Decimal = ZERO) -> None:
        """Tell the streams about the wallet and the positions named."""
        account = self.account
        positions = tuple(
            (copy(account.position(symbol)), account.position(symbol).unrealised_pnl(self.market.mark_price(symbol)))
            for symbol in symbols
        )
        self.events.append(AccountEvent(moment.now_us, reason, account.wallet, account.cross_wallet, change, positions))

    def tell_algo(self, algo: AlgoOrder, moment: Moment) -> None:
        """Tell the streams about a conditional order and the order it made."""
        actual = self.orders.get(algo.actual_order_id)
        average = actual.average_price if actual else ZERO
        executed = actual.executed_quantity if actual else ZERO
        self.events.append(AlgoEvent(moment.now_us, copy(algo), average, executed))

    def take_events(self) -> list[Event]:
        """Empty the outbox."""
        events, self.events = self.events, []
        return events


def make_client_order_id(order_id: int) -> str:
    """The id the exchange gives an order whose sender gave none: 22 characters, the same for the same order."""
    return hashlib.sha256(f"client-order-{order_id}".encode()).hexdigest()[:22]
