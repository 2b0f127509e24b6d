"""Exit a position: a reduce-only market order that no gate may stop, sent by the same two transactions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import structlog

from app.domain.events import EventType
from app.domain.market import ExchangePosition, SymbolRules
from app.domain.money import ZERO, floor_to_step
from app.domain.orders import Attempt, Order, OrderPurpose, OrderState
from app.domain.signals import Side
from app.ports import Clock, Exchange, Lane, RateBudget, UnitOfWorkFactory
from app.services import announcements
from app.services.begin_attempt import exit_attempt
from app.services.settle_attempt import SettleAttempt

log = structlog.get_logger(__name__)

NO_POLICY = 0  # exits are judged by nothing
ROWS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class ExitPosition:
    """Closes what the exchange says is open; a rest that was not filled is the caller's next round."""

    unit_of_work: UnitOfWorkFactory
    exchange: Exchange
    budget: RateBudget
    clock: Clock
    settle: SettleAttempt
    new_id: Callable[[], uuid.UUID]

    def __call__(self, position: ExchangePosition, *, reason: str) -> bool:
        """Whether an exit was sent; False while another exit of the symbol is open, or without budget."""
        attempt = self._begin(position, reason)
        if attempt is None:
            return False
        self.settle(attempt.client_order_id, self.exchange.submit(attempt))
        return True

    def _begin(self, position: ExchangePosition, reason: str) -> Attempt | None:
        self.exchange.now_ms()  # lets a clock that is due for measuring be measured while no lock is held
        now = self.clock.now()
        with self.unit_of_work() as uow:
            # The position row is the queue: two exits of one symbol never run side by side.
            uow.ledger.lock_position(position.symbol)
            running = uow.orders.in_state([OrderState.SUBMITTED], limit=ROWS_MAX)
            if any(order.symbol == position.symbol and order.purpose is OrderPurpose.EXIT for order in running):
                return None
            if self.budget.acquire(weight=0, orders=1, lane=Lane.SAFETY) is not None:
                return None
            order_id = self.new_id()
            order = Order(
                order_id=order_id,
                signal_id=None,
                symbol=position.symbol,
                side=Side.SELL if position.quantity > ZERO else Side.BUY,
                purpose=OrderPurpose.EXIT,
                quantity=_at_once(abs(position.quantity), uow.control.symbol(position.symbol)),
                reference_price=position.mark_price,
                limit_price=position.mark_price,
                state=OrderState.SUBMITTED,
                reason_code=reason,
                reason=None,
                executed_quantity=ZERO,
                booked_quantity=ZERO,
                attempts_made=1,
                next_attempt_at=None,
                policy_version=NO_POLICY,
                correlation_id=order_id.hex,
                created_at=now,
                ended_at=None,
            )
            attempt = exit_attempt(order, signed_at_ms=self.exchange.now_ms(), now=now)
            uow.orders.add(order)
            uow.orders.add_attempt(attempt)
            uow.emit(announcements.order_changed(EventType.ORDER_PLACED, order, now))
            uow.commit()
        log.info("exit_begun", symbol=position.symbol, quantity=str(order.quantity), reason=reason)
        return attempt


def _at_once(quantity: Decimal, rules: SymbolRules | None) -> Decimal:
    """As much of `quantity` as one market order may ask for: a larger one is refused whole, however often sent."""
    if rules is None or not rules.market_quantity_maximum or quantity <= rules.market_quantity_maximum:
        return quantity
    step = rules.step_size
    return floor_to_step(rules.market_quantity_maximum, step) if step else rules.market_quantity_maximum
