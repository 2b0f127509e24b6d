"""The exchange as the doors see it: engine, clock, limits, faults, keys, streams and journal under one roof."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.paper_exchange.clock import ExchangeClock
from app.paper_exchange.engine import Engine
from app.paper_exchange.events import Event
from app.paper_exchange.faults import Fault, Faults
from app.paper_exchange.journal import Journal, NoJournal
from app.paper_exchange.listen_keys import ListenKeys
from app.paper_exchange.market import Market
from app.paper_exchange.matching import Conditions
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import Order, OrderRequest
from app.paper_exchange.rate_limits import RateLimits
from app.paper_exchange.state import ExchangeState
from app.paper_exchange.tape import Tape


@dataclass(slots=True)
class Venue:
    """One running exchange with its one account."""

    engine: Engine
    clock: ExchangeClock
    limits: RateLimits
    key: str
    secret: str
    journal: Journal | NoJournal = field(default_factory=NoJournal)
    faults: Faults = field(default_factory=Faults)
    listen_keys: ListenKeys = field(default_factory=ListenKeys)
    tape: Tape = field(default_factory=Tape)
    legacy_streams: bool = False
    # Market time at which this process began.
    started_ms: int = 0
    # Work that goes on after its request was answered, such as an acceptance a fault delays.
    background: set[asyncio.Future[Any]] = field(default_factory=set)
    on_faults_added: Callable[[list[Fault]], None] = lambda rules: None
    publish: Callable[[list[Event]], None] = lambda events: None
    _frozen_market_ms: int | None = None
    _held_back_ms: int = 0

    @property
    def state(self) -> ExchangeState:
        return self.engine.state

    @property
    def market(self) -> Market:
        return self.engine.market

    def now_us(self) -> int:
        return self.clock.now_us() + self.faults.clock_offset_ms * 1000

    def moment(self) -> Moment:
        """Now. While prices are frozen by a fault, market time stands still; afterwards it runs on from there."""
        market_ms = self.clock.market_ms()
        if self.faults.standing("frozen_prices"):
            if self._frozen_market_ms is None:
                self._frozen_market_ms = market_ms - self._held_back_ms
            return Moment(self.now_us(), self._frozen_market_ms)
        if self._frozen_market_ms is not None:
            self._held_back_ms = market_ms - self._frozen_market_ms
            self._frozen_market_ms = None
        return Moment(self.now_us(), market_ms - self._held_back_ms)

    def add_faults(self, rules: Iterable[Mapping[str, Any]]) -> None:
        """Put rules in force as of now. Raises FaultRuleError, and then none of them is."""
        added = self.faults.add(rules)
        # Looks at the time, so that frozen prices stand from this moment and not from the next request.
        self.moment()
        self.on_faults_added(added)

    def clear_faults(self) -> None:
        """Lift every rule as of now."""
        self.moment()
        self.faults.clear()
        self.moment()

    def conditions_for(self, request: OrderRequest) -> Conditions:
        """What the faults in force do to this order."""
        endpoint, symbol, side = "POST /fapi/v1/order", request.symbol, request.side
        # An order that rests has all its life to fill; only one that must trade now can be cut short.
        share = None
        if request.is_immediate:
            share = self.faults.decide("partial_fill", endpoint=endpoint, symbol=symbol, side=side)
        thin = self.faults.decide("thin_book", endpoint=endpoint, symbol=symbol, side=side)
        return Conditions(share=share.params["share"] if share else None, depth=thin.params["depth"] if thin else None)

    def is_hidden(self, order: Order, endpoint: str, now_ms: int) -> bool:
        """Whether a lagging query does not see this order yet."""
        lag = self.faults.decide("query_lag", endpoint=endpoint, symbol=order.symbol, side=order.side)
        return lag is not None and now_ms - order.created_us // 1000 < lag.params["delay_ms"]

    def shown_depth(self, symbol: str) -> Decimal | None:
        """The share of the book that a thin-book fault leaves visible."""
        thin = self.faults.standing("thin_book", symbol)
        if thin is None or thin.is_spent:
            return None
        depth: Decimal = thin.params["depth"]
        return depth

    def resting_conditions(self, symbol: str) -> Conditions:
        """What a thin book does to orders that rest in it."""
        return Conditions(depth=self.shown_depth(symbol))

    def tick(self) -> None:
        """Let time pass: called a few times a second."""
        self.engine.advance(self.moment())
        self.tape.observe(self.market, self.clock.now_ms())
        self.settle()

    def settle(self) -> None:
        """Make durable what changed, then tell the streams: in this order, so that nothing told is ever lost."""
        self.journal.commit(self.state)
        events = self.state.take_events()
        if events:
            self.publish(events)

    def find_order(self, symbol: str, *, order_id: int | None, client_order_id: str | None) -> Order | None:
        """The order by its number or, failing that, the newest by its client id."""
        if order_id is None:
            found_id = self.state.by_client_id.get((symbol, client_order_id or ""))
            return self.state.orders.get(found_id) if found_id else None
        order = self.state.orders.get(order_id)
        return order if order and order.symbol == symbol else None
