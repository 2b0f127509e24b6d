"""The exchange itself, without HTTP: every operation takes the moment it happens at and is deterministic from there."""

from collections.abc import Callable
from decimal import Decimal

from app.paper_exchange import funding, liquidation, placing, triggers
from app.paper_exchange.account import MarginType
from app.paper_exchange.booking import close_order
from app.paper_exchange.conditional import AlgoOrder, AlgoRequest
from app.paper_exchange.decimals import ZERO, money
from app.paper_exchange.errors import Refusal, refusal
from app.paper_exchange.events import LeverageEvent
from app.paper_exchange.margin import account_margin, notional_cap
from app.paper_exchange.market import Market
from app.paper_exchange.matching import UNDISTURBED, Conditions, match_resting
from app.paper_exchange.moment import Moment
from app.paper_exchange.orders import IncomeType, Order, OrderRequest, OrderStatus
from app.paper_exchange.state import ExchangeState

# The market moves on this grid, so that its path does not depend on when requests happen to arrive.
STEP_MS = 100
# A longer gap (a jump of the clock) is walked in this many larger steps.
STEPS_PER_ADVANCE_MAX = 20
# Bounds the catching up of a market that walks a long gap in pieces.
MARKET_CATCH_UP_CALLS_MAX = 10_000


class MarketStuckError(Exception):
    """The market did not reach the time it was asked for in a bounded number of calls."""


class Engine:
    """Operations on the state. Refusals are returned, never raised."""

    def __init__(self, state: ExchangeState, *, market_ms: int) -> None:
        self.state = state
        self._cell = market_ms // STEP_MS
        # What faults do to the fills of resting orders, by symbol.
        self.resting_conditions: Callable[[str], Conditions] = lambda symbol: UNDISTURBED
        self._walk_to(market_ms)
        funding.remember(state)

    @property
    def market(self) -> Market:
        return self.state.market

    def deposit(self, amount: Decimal, moment: Moment) -> None:
        """Put money on the wallet."""
        self.state.book_income(IncomeType.TRANSFER, amount, symbol="", at_us=moment.now_us, info="TRANSFER")
        self.state.tell_account("DEPOSIT", moment, symbols=(), change=amount)

    def advance(self, moment: Moment) -> None:
        """Bring everything that time alone changes up to the moment: prices, fills, triggers, funding, liquidation."""
        cell = moment.market_ms // STEP_MS
        gap = cell - self._cell
        if gap <= 0:
            return
        stride = -(-gap // STEPS_PER_ADVANCE_MAX)
        while self._cell < cell:
            self._cell = min(cell, self._cell + stride)
            self._step(Moment(moment.now_us, self._cell * STEP_MS))

    def _step(self, moment: Moment) -> None:
        while (due := funding.next_due(self.state)) <= moment.market_ms:
            self._walk_to(due)
            funding.settle_due(self.state, Moment(moment.now_us, due))
            funding.remember(self.state)
            if funding.next_due(self.state) <= due:
                raise MarketStuckError(f"the market's next funding time does not move past {due}")
        self._walk_to(moment.market_ms)
        self._expire_by_time(moment)
        for symbol in [s for s, orders in self.state.open_orders.items() if orders]:
            match_resting(self.state, symbol, moment, self.resting_conditions(symbol))
        self._after_trading(moment)
        liquidation.watch_margin(self.state, moment)

    def _walk_to(self, market_ms: int) -> None:
        self.market.advance(market_ms)
        for _ in range(MARKET_CATCH_UP_CALLS_MAX):
            if not self.market.behind_ms:
                return
            self.market.advance(market_ms)
        raise MarketStuckError(f"market is {self.market.behind_ms} ms behind {market_ms}")

    def _expire_by_time(self, moment: Moment) -> None:
        for countdown in list(self.state.countdowns.values()):
            if countdown.due_ms <= moment.now_ms:
                self.state.set_countdown(countdown.symbol, 0)
                self.cancel_all(countdown.symbol, moment)
        overdue = [o for o in self.state.all_open() if 0 < o.good_till_ms <= moment.now_ms]
        for order in overdue:
            close_order(self.state, order, OrderStatus.EXPIRED, moment)

    def _after_trading(self, moment: Moment) -> None:
        """The account's own trades move the last price too, and may fire what waits for it."""
        if self.state.open_algos:
            triggers.watch_triggers(self.state, moment)
        self._finish_algos(moment)

    def _finish_algos(self, moment: Moment) -> None:
        if self.state.algo_of_order:
            for symbol in {self.state.orders[order_id].symbol for order_id in self.state.algo_of_order}:
                triggers.finish_algos(self.state, symbol, moment)

    def place(self, request: OrderRequest, moment: Moment, conditions: Conditions = UNDISTURBED) -> Order | Refusal:
        self.advance(moment)
        placed = placing.place_order(self.state, request, moment, conditions)
        # A trade through a trigger counts, even when the next price of the market is back before it.
        if self.state.open_algos and not isinstance(placed, Refusal) and placed.executed_quantity:
            triggers.watch_triggers(self.state, moment)
        self._finish_algos(moment)
        return placed

    def cancel(self, order: Order | None, moment: Moment) -> Order | Refusal:
        self.advance(moment)
        canceled = placing.cancel_order(self.state, order, moment)
        self._finish_algos(moment)
        return canceled

    def cancel_all(self, symbol: str, moment: Moment) -> int:
        """Cancel the symbol's open orders (conditional ones have their own call); returns how many."""
        orders = list(self.state.open_of(symbol))
        for order in orders:
            close_order(self.state, order, OrderStatus.CANCELED, moment)
        self._finish_algos(moment)
        return len(orders)

    def amend(self, order: Order | None, *, quantity: Decimal, price: Decimal, moment: Moment) -> Order | Refusal:
        self.advance(moment)
        amended = placing.amend_order(self.state, order, quantity=quantity, price=price, moment=moment)
        self._after_trading(moment)
        return amended

    def place_algo(self, request: AlgoRequest, moment: Moment) -> AlgoOrder | Refusal:
        self.advance(moment)
        return triggers.place_algo(self.state, request, moment)

    def cancel_algo(self, algo: AlgoOrder | None, moment: Moment) -> AlgoOrder | Refusal:
        self.advance(moment)
        return triggers.cancel_algo(self.state, algo, moment)

    def count_down(self, symbol: str, countdown_ms: int, moment: Moment) -> None:
        """Arm the symbol's dead man's switch, or disarm it with 0."""
        self.state.set_countdown(symbol, moment.now_ms + countdown_ms if countdown_ms > 0 else 0)

    def set_leverage(self, symbol: str, leverage: int, moment: Moment) -> Refusal | None:
        """Change a symbol's leverage; a smaller one may need more margin than there is."""
        spec = self.market.symbols[symbol]
        if not 1 <= leverage <= spec.leverage_max:
            return refusal(-4028, leverage=leverage)
        position = self.state.account.position(symbol)
        before = position.leverage
        if position.quantity:
            if position.margin_type is MarginType.ISOLATED and leverage < before:
                return refusal(-4161)
            notional = abs(position.quantity * self.market.mark_price(symbol))
            if notional > notional_cap(spec, leverage):
                return refusal(-2027)
        position.leverage = leverage
        totals = account_margin(self.state)
        balance = totals.cross_wallet + totals.cross_unrealised_pnl
        if leverage < before and totals.initial > balance:
            position.leverage = before
            return refusal(-2028)
        self.state.position_changed(symbol)
        self.state.events.append(LeverageEvent(moment.now_us, symbol, leverage))
        return None

    def set_margin_type(self, symbol: str, margin_type: MarginType) -> Refusal | None:
        position = self.state.account.position(symbol)
        if position.margin_type is margin_type:
            return refusal(-4046)
        if self.state.open_orders.get(symbol):
            return refusal(-4047)
        if position.quantity:
            return refusal(-4048)
        position.margin_type = margin_type
        self.state.position_changed(symbol)
        return None

    def move_isolated_margin(self, symbol: str, amount: Decimal, *, add: bool, moment: Moment) -> Refusal | None:
        """Move money between the cross wallet and an isolated position."""
        position = self.state.account.position(symbol)
        if amount <= ZERO:
            return refusal(-4055)
        if not position.quantity or position.margin_type is not MarginType.ISOLATED:
            return refusal(-4054)
        totals = account_margin(self.state)
        if add and amount > totals.available:
            return refusal(-4050)
        needed = money(abs(position.cost) / position.leverage)
        if not add and position.isolated_wallet - amount < needed:
            return refusal(-4051)
        position.isolated_wallet += amount if add else -amount
        self.state.position_changed(symbol)
        self.state.tell_account("MARGIN_TRANSFER", moment, symbols=(symbol,))
        return None
