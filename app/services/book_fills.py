"""Book fills: into the ledger, the position and the order, each trade exactly once, whoever reports it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from app.domain import ledger
from app.domain.events import EventType
from app.domain.fills import Fill
from app.domain.money import exactly
from app.domain.orders import AttemptState, Order
from app.domain.positions import apply_fill
from app.flow import Happening
from app.ports import Clock, HintLatch, TaskQueue, UnitOfWork, UnitOfWorkFactory
from app.services import announcements
from app.services.hints import announce_again
from app.services.settle_protection import exit_of
from app.services.trip_ess import TripEss

log = structlog.get_logger(__name__)

ACTOR = "book_fills"
FILL_CONTRADICTS_ORDER = "FILL_CONTRADICTS_ORDER"
PROTECT_SECONDS = 0.25
# What may not have a fill, by all we believed when we sent the next attempt or gave the order up.
_NEVER_EXECUTED = frozenset({AttemptState.NOT_SENT, AttemptState.REJECTED})


@dataclass(frozen=True, slots=True)
class BookFills:
    """Idempotent by `(symbol, trade_id)`; one transaction for all fills given (they are of one symbol's order).

    A fill happened, whatever we believe of its order: one that would fill an order beyond what was approved is booked
    as a stranger's, and the emergency stop is tripped. Refusing it would leave position and wallet wrong as well.
    """

    unit_of_work: UnitOfWorkFactory
    tasks: TaskQueue
    latch: HintLatch
    clock: Clock
    trip: TripEss

    def __call__(self, fills: Sequence[Fill]) -> int:
        """How many were new."""
        now = self.clock.now()
        booked = 0
        contradictions: list[str] = []
        news: list[tuple[Order, Fill]] = []
        with self.unit_of_work() as uow:
            for fill in fills:
                order = self._order_of(uow, fill)
                fits = order is None or exactly(order.booked_quantity, "+", fill.quantity) <= order.quantity
                owner = order if fits else None
                known = replace(fill, order_id=None if owner is None else owner.order_id, adopted=owner is None)
                is_new = self._book(uow, known, owner, now)
                booked += is_new
                if is_new and owner is not None:
                    news.append((owner, fill))
                problem = self._contradiction(uow, fill, order, fits=fits, is_new=is_new)
                if problem is not None:
                    contradictions.append(problem)
            uow.commit()
        for owned, fill in news:
            log.info(
                "fill_booked",
                correlation_id=owned.correlation_id,
                order_id=str(owned.order_id),
                symbol=fill.symbol,
                trade_id=fill.trade_id,
            )
        if booked:
            for symbol in sorted({fill.symbol for fill in fills}):
                # Fills come in bursts: one look after the burst protects all of them.
                announce_again(
                    self.tasks, self.latch, Happening.POSITION_CHANGED, symbol, priority=0, seconds=PROTECT_SECONDS
                )
        if contradictions:
            text = "; ".join(contradictions)
            log.error("fill_contradicts_order", contradictions=contradictions)
            self.trip(actor=ACTOR, reason=f"{FILL_CONTRADICTS_ORDER}: {text}", automatic=True, detail={"fills": text})
        return booked

    def _contradiction(
        self, uow: UnitOfWork, fill: Fill, order: Order | None, *, fits: bool, is_new: bool
    ) -> str | None:
        """What a fill says against what we believed of its order; None when it says nothing against it."""
        if order is None:
            return None
        what = f"{fill.symbol} trade {fill.trade_id} of {fill.quantity}"
        if not fits and all(each.trade_id != fill.trade_id for each in uow.ledger.fills_of(order.order_id)):
            return f"{what}: order {order.order_id} has {order.booked_quantity} of {order.quantity} already"
        if is_new and fill.client_order_id is not None:
            attempt = uow.orders.get_attempt(fill.client_order_id)
            if attempt is not None and attempt.state in _NEVER_EXECUTED:
                return f"{what}: attempt {attempt.client_order_id} is {attempt.state}"
        return None

    def _order_of(self, uow: UnitOfWork, fill: Fill) -> Order | None:
        """The order a fill belongs to, locked; None for a trade that no order of ours explains."""
        order_id: uuid.UUID | None = fill.order_id
        if order_id is None:
            attempt = (
                uow.orders.get_attempt(fill.client_order_id)
                if fill.client_order_id is not None
                else uow.orders.attempt_by_exchange_id(fill.symbol, fill.exchange_order_id)
            )
            order_id = self._fired(uow, fill) if attempt is None else attempt.order_id
        return None if order_id is None else uow.orders.lock(order_id)

    def _fired(self, uow: UnitOfWork, fill: Fill) -> uuid.UUID | None:
        """The exit that a protective order of ours has become, if this is a trade of one: it may be the first news."""
        known = None if fill.client_order_id is None else uow.protection.get(fill.client_order_id)
        known = known or uow.protection.of_exchange_order(fill.symbol, fill.exchange_order_id)
        if known is None:
            return None
        uow.ledger.lock_position(fill.symbol)  # of all that hear of it at once one makes the exit
        order = uow.protection.get(known.client_algo_id) or known
        if order.exchange_order_id is None:
            order = replace(order, exchange_order_id=fill.exchange_order_id)
            uow.protection.save(order)
        exit_of(uow, order, self.clock.now())
        return order.order_id

    def _book(self, uow: UnitOfWork, fill: Fill, order: Order | None, now: datetime) -> bool:
        if not uow.ledger.add_fill(fill):
            # Reconciliation may have adopted it when nothing told yet whose it was. The trade is in the books already;
            # only its order does not know of it.
            if order is not None and uow.ledger.give_fill_to_order(fill):
                self._count_in(uow, order, fill, now)
            return False
        position = apply_fill(uow.ledger.lock_position(fill.symbol), fill)
        uow.ledger.save_position(position)
        uow.ledger.post(fill=fill, lines=ledger.fill_entry(fill).lines, now=now)
        uow.emit(announcements.trade_executed(fill, now), announcements.position_updated(position, now))
        if order is None:
            log.warning(
                "fill_adopted", symbol=fill.symbol, trade_id=fill.trade_id, client_order_id=fill.client_order_id
            )
            return True
        self._count_in(uow, order, fill, now)
        return True

    def _count_in(self, uow: UnitOfWork, order: Order, fill: Fill, now: datetime) -> None:
        total = order.booked_quantity + fill.quantity
        changed = replace(order, booked_quantity=total, executed_quantity=max(order.executed_quantity, total))
        uow.orders.save(changed)
        uow.emit(announcements.order_changed(EventType.ORDER_UPDATED, changed, now))
