"""Settle a protective order: make the exchange's word durable, and let position, guard and exit follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import structlog

from app.domain.events import EventType
from app.domain.money import ZERO
from app.domain.orders import Attempt, AttemptState, Order, OrderPurpose, OrderState, OrderType
from app.domain.positions import Position
from app.domain.protection.orders import (
    EVENT_OF_STATUS,
    Leg,
    ProtectionEvent,
    ProtectionState,
    ProtectiveOrder,
    next_protection_state,
    standing_quantity,
)
from app.domain.signals import Side
from app.flow import Happening
from app.ports import (
    Clock,
    ConditionalReply,
    ConditionalReport,
    NotFound,
    Rejected,
    RetryAfter,
    TaskQueue,
    UnitOfWork,
    UnitOfWorkFactory,
)
from app.services import announcements
from app.services.exit_position import NO_POLICY
from app.services.hints import announce

log = structlog.get_logger(__name__)

LIVE_MAX = 1_000
RESOLVE_FIRST_SECONDS = 0.5
REASONS = {Leg.STOP: "STOP_LOSS", Leg.TARGET: "TAKE_PROFIT"}


@dataclass(frozen=True, slots=True)
class SettleProtection:
    """Idempotent; one that has ended is left alone. The position's row lock is the queue of all that protects it."""

    unit_of_work: UnitOfWorkFactory
    tasks: TaskQueue
    clock: Clock

    def __call__(self, client_algo_id: str, reply: ConditionalReply | NotFound) -> ProtectiveOrder | None:
        """Record `reply`; the order as it is now, None when no such order is ours.

        `NotFound` is to be given only once the exchange can no longer accept the request, or has lost what it had.
        """
        now = self.clock.now()
        with self.unit_of_work() as uow:
            known = uow.protection.get(client_algo_id)
            if known is None:
                return None
            position = uow.ledger.lock_position(known.symbol)
            # Read again under the lock: the answer, the stream and the resolver may all bring the same word.
            order = uow.protection.get(client_algo_id)
            if order is None:
                raise LookupError(f"protective order {client_algo_id} is gone")
            if not order.state.is_live:
                return order
            settled = _settled(order, reply, now)
            uow.protection.save(settled)
            fired = settled.exchange_order_id is not None and exit_of(uow, settled, now)
            self._tell_guard(uow, settled, reply, now)
            show_levels(uow, position, now)
            uow.commit()
        log.info(
            "protection_settled",
            client_algo_id=client_algo_id,
            symbol=order.symbol,
            leg=order.leg.value,
            state=settled.state.value,
            code=settled.error_code,
        )
        self._hint(settled, fired=fired)
        return settled

    def _tell_guard(
        self, uow: UnitOfWork, order: ProtectiveOrder, reply: ConditionalReply | NotFound, now: datetime
    ) -> None:
        """A refusal keeps the same from being asked for again at once, and may mean that the level was passed."""
        guard = uow.protection.guard(order.symbol)
        if guard is None or order.state is not ProtectionState.REJECTED:
            return
        if isinstance(reply, Rejected | RetryAfter) and guard.side is order.side.opposite:
            uow.protection.save_guard(replace(guard, refused_at=now, refusal=f"{order.leg}:{reply.code}"))

    def _hint(self, order: ProtectiveOrder, *, fired: bool) -> None:
        if order.state is ProtectionState.UNKNOWN:
            announce(
                self.tasks,
                Happening.PROTECTION_UNKNOWN,
                order.client_algo_id,
                priority=0,
                countdown_seconds=RESOLVE_FIRST_SECONDS,
            )
        if fired:
            announce(self.tasks, Happening.OUTCOME_UNKNOWN, order.client_algo_id, priority=0)
        if order.state in (ProtectionState.WORKING, ProtectionState.REJECTED, ProtectionState.CANCELED):
            # What it replaces may go now; what was refused or taken away has to be replaced.
            announce(self.tasks, Happening.POSITION_CHANGED, order.symbol, priority=0)


def exit_of(uow: UnitOfWork, order: ProtectiveOrder, now: datetime) -> bool:
    """Make the exit that a fired protective order has become a row of ours; False when it was one before.

    From here on it is an exit like any other: its attempt is open until the exchange has told how it went, and its
    fills are collected.
    """
    if uow.orders.get(order.order_id) is not None:
        return False
    exit_order = Order(
        order_id=order.order_id,
        signal_id=None,
        symbol=order.symbol,
        side=order.side,
        purpose=OrderPurpose.EXIT,
        quantity=order.quantity,
        reference_price=order.trigger_price,
        limit_price=order.trigger_price,
        state=OrderState.SUBMITTED,
        reason_code=REASONS[order.leg],
        reason=None,
        executed_quantity=ZERO,
        booked_quantity=ZERO,
        attempts_made=1,
        next_attempt_at=None,
        policy_version=NO_POLICY,
        correlation_id=order.order_id.hex,
        created_at=now,
        ended_at=None,
    )
    uow.orders.add(exit_order)
    uow.orders.add_attempt(
        Attempt(
            client_order_id=order.client_algo_id,
            order_id=order.order_id,
            number=1,
            symbol=order.symbol,
            side=order.side,
            order_type=OrderType.MARKET,
            time_in_force=None,
            quantity=order.quantity,
            price=None,
            reduce_only=True,
            signed_at_ms=order.signed_at_ms,
            recv_window_ms=order.recv_window_ms,
            state=AttemptState.SENDING,
            begun_at=now,
            exchange_order_id=order.exchange_order_id,
        )
    )
    uow.emit(announcements.order_changed(EventType.ORDER_PLACED, exit_order, now))
    return True


def show_levels(uow: UnitOfWork, position: Position, now: datetime) -> None:
    """Let the position say what the exchange has confirmed: a level only when all of the position stands behind it."""
    side = Side.BUY if position.quantity > ZERO else Side.SELL
    live = [each for each in uow.protection.live(position.symbol, limit=LIVE_MAX) if each.is_standing]
    shown = replace(
        position,
        stop_price=_level(live, Leg.STOP, side, position),
        target_price=_level(live, Leg.TARGET, side, position),
    )
    if shown != position:
        uow.ledger.save_position(shown)
        uow.emit(announcements.position_updated(shown, now))


def _level(live: list[ProtectiveOrder], leg: Leg, side: Side, position: Position) -> Decimal | None:
    if not position.quantity or standing_quantity(live, leg=leg, side=side.opposite) < position.quantity.copy_abs():
        return None
    prices = [each.trigger_price for each in live if (each.leg, each.side) == (leg, side.opposite)]
    # The newest is the one that was meant; while an older one is still there the nearer of both would fire first.
    nearest_is_highest = (leg is Leg.STOP) == (side is Side.BUY)
    return max(prices) if nearest_is_highest else min(prices)


def _settled(order: ProtectiveOrder, reply: ConditionalReply | NotFound, now: datetime) -> ProtectiveOrder:
    """The protective order after the exchange's word."""
    what = ProtectionEvent.AMBIGUOUS
    if isinstance(reply, ConditionalReport):
        what = EVENT_OF_STATUS.get(reply.status, ProtectionEvent.AMBIGUOUS)
        order = replace(
            order,
            exchange_order_id=order.exchange_order_id or reply.exchange_order_id,
            not_found_count=0,
            error_code=None if what is not ProtectionEvent.REJECTED else "REFUSED_WHEN_FIRED",
            error_message=reply.reason,
        )
    elif isinstance(reply, Rejected | RetryAfter):
        # A refusal answers one request: it never settles one whose first answer was lost.
        if order.state is ProtectionState.SENDING:
            what = ProtectionEvent.REJECTED
            order = replace(order, error_code=reply.code, error_message=reply.message)
    elif isinstance(reply, NotFound):
        what = ProtectionEvent.NOT_FOUND_FOR_GOOD
        order = replace(order, error_code="NOT_FOUND", error_message="the exchange knows no such order")
    else:
        order = replace(order, error_code="UNKNOWN_OUTCOME", error_message=reply.reason)
    state = next_protection_state(order.state, what)
    if state is ProtectionState.UNKNOWN:
        order = replace(order, unknown_since=order.unknown_since or now)
    return replace(order, state=state, ended_at=None if state.is_live else now)
