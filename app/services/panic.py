"""Panic: cancel everything and close every position straight at the exchange, with nothing else of ours alive."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.market import ExchangePosition
from app.domain.money import ZERO, floor_to_step
from app.domain.orders import Attempt, AttemptState, OrderType, client_order_id
from app.domain.signals import Side
from app.ports import Clock, Exchange, ExchangeError, Lane, OrderReport, RateBudget, SubmitReply

OPEN_ORDERS_WEIGHT = 40
CONDITIONAL_ORDERS_WEIGHT = 40
POSITIONS_WEIGHT = 5
CANCEL_ALL_WEIGHT = 2
SYMBOL_RULES_WEIGHT = 1
RECV_WINDOW_MS = 5_000
# Whatever a worker of ours sent before the panic is refused by its own recvWindow once this has passed.
LATE_REQUEST_SECONDS = 5.0
ROUND_PAUSE_SECONDS = 0.25
FAILED_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended. `is_flat` only when the exchange itself reported no open order and no position."""

    is_flat: bool
    seconds_to_flat: float | None
    rounds: int
    orders_sent: int
    left: Sequence[str]  # what the last look showed, empty when flat


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the exchange reports at one moment."""

    order_symbols: frozenset[str]
    conditional_symbols: frozenset[str]
    positions: Sequence[ExchangePosition]

    @property
    def is_clear(self) -> bool:
        return not (self.order_symbols or self.conditional_symbols or self.positions)

    def __str__(self) -> str:
        held = ", ".join(f"{each.symbol} {each.quantity}" for each in self.positions)
        orders = ", ".join(sorted(self.order_symbols | self.conditional_symbols))
        return f"positions: {held or 'none'}; symbols with open orders: {orders or 'none'}"


@dataclass(frozen=True, slots=True)
class Panic:
    """Needs the exchange and a rate budget of its own; bounded in time.

    Reduce-only market orders can close a position and never flip it, so one of unknown outcome costs nothing: the next
    look tells what is left.
    """

    exchange: Exchange
    budget: RateBudget
    clock: Clock
    ticks: Callable[[], float]  # monotonic seconds
    sleep: Callable[[float], None]
    say: Callable[[str], None]
    new_id: Callable[[], uuid.UUID]
    seconds_max: float

    def __call__(self) -> Outcome:
        """Rounds of look, cancel, close, until two looks show nothing: now, and when no late request can come."""
        began = self.ticks()
        largest = self._largest_orders(began)
        sent = rounds = 0
        flat_after: float | None = None
        look: _Look | None = None
        while self.ticks() - began < self.seconds_max:
            rounds += 1
            try:
                look = self._look(began)
                if not look.is_clear:
                    if flat_after is not None:
                        self.say("something arrived late")
                    flat_after = None
                    self.say(f"round {rounds}: {look}")
                    sent += self._clear(look, largest, began)
                    self.sleep(ROUND_PAUSE_SECONDS)
                    continue
                if flat_after is None:
                    flat_after = self.ticks() - began
                    self.say(f"round {rounds}: no open order and no position after {flat_after:.2f} s")
                late = LATE_REQUEST_SECONDS - (self.ticks() - began)
                if late <= 0:
                    return Outcome(is_flat=True, seconds_to_flat=flat_after, rounds=rounds, orders_sent=sent, left=())
                self.say(f"looking once more in {late:.1f} s, when nothing sent before can arrive any more")
                self.sleep(late)
            except ExchangeError as error:
                self.say(f"round {rounds}: {error}")
                self.sleep(FAILED_PAUSE_SECONDS)
        left = ["the exchange did not answer"] if look is None else [str(look)]
        return Outcome(is_flat=False, seconds_to_flat=None, rounds=rounds, orders_sent=sent, left=left)

    def _look(self, began: float) -> _Look:
        self._take(began, weight=POSITIONS_WEIGHT)
        positions = [each for each in self.exchange.positions() if each.quantity]
        self._take(began, weight=OPEN_ORDERS_WEIGHT + CONDITIONAL_ORDERS_WEIGHT)
        return _Look(
            order_symbols=frozenset(each.symbol for each in self.exchange.open_orders()),
            conditional_symbols=self.exchange.conditional_order_symbols(),
            positions=positions,
        )

    def _clear(self, look: _Look, largest: Mapping[str, Decimal], began: float) -> int:
        """Cancel before closing: orders that rest use up the position that a reduce-only order wants to close.

        Conditional orders do not, and protect what is still held: they go once their position has.
        """
        held = {each.symbol for each in look.positions}
        for symbol in sorted(look.order_symbols | (look.conditional_symbols - held)):
            self._take(began, weight=CANCEL_ALL_WEIGHT)
            try:
                if symbol in held:
                    self.exchange.cancel_orders(symbol)
                    self.say(f"  canceled every order of {symbol} but what protects the position")
                else:
                    self.exchange.cancel_all(symbol)
                    self.say(f"  canceled every order of {symbol}")
            except ExchangeError as error:
                # The other symbols are not to wait for this one.
                self.say(f"  canceling {symbol}: {error}")
        for position in look.positions:
            self._take(began, orders=1)
            reply = self.exchange.submit(self._exit(position, largest))
            self.say(f"  closing {position.symbol} {position.quantity}: {_told(reply)}")
        return len(look.positions)

    def _exit(self, position: ExchangePosition, largest: Mapping[str, Decimal]) -> Attempt:
        order_id = self.new_id()
        quantity = abs(position.quantity)
        return Attempt(
            client_order_id=client_order_id(order_id, 1),
            order_id=order_id,
            number=1,
            symbol=position.symbol,
            side=Side.SELL if position.quantity > ZERO else Side.BUY,
            order_type=OrderType.MARKET,
            time_in_force=None,
            quantity=min(quantity, largest.get(position.symbol, quantity)),
            price=None,
            reduce_only=True,
            signed_at_ms=self.exchange.now_ms(),
            recv_window_ms=RECV_WINDOW_MS,
            state=AttemptState.SENDING,
            begun_at=self.clock.now(),
        )

    def _largest_orders(self, began: float) -> Mapping[str, Decimal]:
        """The largest market order of each symbol; nothing is known when the exchange does not tell now."""
        try:
            self._take(began, weight=SYMBOL_RULES_WEIGHT)
            rules, limits = self.exchange.symbol_rules()
        except ExchangeError as error:
            self.say(f"trading rules: {error}")
            return {}
        self.budget.set_limits(limits)
        return {
            each.symbol: floor_to_step(each.market_quantity_maximum, each.step_size)
            for each in rules
            if each.market_quantity_maximum > ZERO and each.step_size > ZERO
        }

    def _take(self, began: float, *, weight: int = 0, orders: int = 0) -> None:
        """Wait for budget, as long as there is time at all."""
        while (wait := self.budget.acquire(weight=weight, orders=orders, lane=Lane.SAFETY)) is not None:
            left = self.seconds_max - (self.ticks() - began)
            if left <= 0:
                raise ExchangeError(f"no rate budget in time: {wait.reason}")
            self.say(f"  waiting {min(wait.seconds, left):.1f} s: {wait.reason}")
            self.sleep(min(wait.seconds, left))


def _told(reply: SubmitReply) -> str:
    if isinstance(reply, OrderReport):
        return f"{reply.status}, {reply.executed_quantity} of {reply.original_quantity}"
    return str(reply)
