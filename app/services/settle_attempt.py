"""Settle an attempt: make the exchange's answer durable, and let the order and the signal follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from app.domain.attempt_outcomes import attempt_event, order_event
from app.domain.events import EventType
from app.domain.gates.signal_age import CHASE_SECONDS_MAX
from app.domain.money import ZERO
from app.domain.orders import (
    Attempt,
    AttemptEvent,
    AttemptState,
    Order,
    OrderEvent,
    OrderPurpose,
    OrderState,
    next_attempt_state,
    next_order_state,
)
from app.domain.signals import SignalEvent, SignalState
from app.domain.sizing import remainder_delay
from app.flow import Happening
from app.ports import (
    Clock,
    NotFound,
    OrderReport,
    Rejected,
    RetryAfter,
    SubmitReply,
    TaskQueue,
    UnitOfWork,
    UnitOfWorkFactory,
    Unknown,
)
from app.services import announcements
from app.services.correlation import speak_of
from app.services.hints import announce

log = structlog.get_logger(__name__)

RESOLVE_FIRST_SECONDS = 0.5
COLLECT_FILLS_SECONDS = 1.5  # the stream is given this long to bring the fills

_SIGNAL_ENDINGS = {
    OrderState.FILLED: (SignalEvent.EXECUTED, SignalState.EXECUTED),
    OrderState.PARTIALLY_FILLED: (SignalEvent.EXECUTED, SignalState.EXECUTED),
    OrderState.EXPIRED: (SignalEvent.FAILED, SignalState.FAILED),
    OrderState.REJECTED: (SignalEvent.FAILED, SignalState.FAILED),
    OrderState.NOT_SENT: (SignalEvent.FAILED, SignalState.FAILED),
}


@dataclass(frozen=True, slots=True)
class SettleAttempt:
    """The second transaction of the submit protocol; idempotent: an attempt that has ended is left alone."""

    unit_of_work: UnitOfWorkFactory
    tasks: TaskQueue
    clock: Clock
    jitter: Callable[[], Decimal]  # uniform in [0, 1)

    def __call__(self, client_order_id: str, reply: SubmitReply | NotFound) -> None:
        """Record `reply`. `NotFound` is to be given only once the exchange can no longer accept the request."""
        now = self.clock.now()
        with self.unit_of_work() as uow:
            known = uow.orders.get_attempt(client_order_id)
            if known is None:
                raise LookupError(f"no attempt {client_order_id}")
            order = uow.orders.lock(known.order_id)
            speak_of(None if order is None else order.correlation_id)
            # Read again under the lock: the stream, the reply and the resolver may all bring the same answer.
            attempt = uow.orders.get_attempt(client_order_id)
            if order is None or attempt is None:
                raise LookupError(f"attempt {client_order_id} has lost its order")
            if not attempt.state.is_open:
                return
            if isinstance(reply, NotFound) and _was_seen(uow, attempt):
                # It was there: that it is not found now says something about the question, nothing about the order.
                reply = Unknown(reason="not found, though the exchange has shown it before")
            settled = _settled(attempt, reply, now)
            uow.orders.save_attempt(settled)
            executed = sum((each.executed_quantity for each in uow.orders.attempts(order.order_id)), ZERO)
            changed = self._order_after(order, settled, executed, reply, now)
            uow.orders.save(changed)
            finish_signal(uow, changed, now)
            uow.emit(announcements.order_changed(EventType.ORDER_UPDATED, changed, now))
            uow.commit()
        log.info(
            "attempt_settled",
            client_order_id=client_order_id,
            correlation_id=order.correlation_id,
            symbol=order.symbol,
            attempt_state=settled.state.value,
            order_state=changed.state.value,
            executed=str(changed.executed_quantity),
            approved=str(changed.quantity),
            code=settled.error_code,
        )
        self._hint(changed, settled, now)

    def _order_after(self, order: Order, attempt: Attempt, executed: Decimal, reply: object, now: datetime) -> Order:
        # A fill that the stream brought before the answer is booked already, and counts as executed.
        executed = max(executed, order.executed_quantity)
        order = replace(order, executed_quantity=executed)
        what = order_event(
            purpose=order.purpose,
            quantity=order.quantity,
            executed_quantity=executed,
            attempts_made=order.attempts_made,
            attempt_state=attempt.state,
            is_transient=isinstance(reply, RetryAfter),
        )
        if what is None:
            return order
        return follow(order, what, attempt, now, self._delay(order, reply))

    def _delay(self, order: Order, reply: object) -> timedelta:
        delay = remainder_delay(chases_made=order.attempts_made - 1, jitter=self.jitter())
        if not isinstance(reply, RetryAfter):
            return delay
        # A ban may last for days. After its time a chase is denied by its age: it ends with that reason, not then.
        return min(max(delay, timedelta(seconds=reply.seconds)), timedelta(seconds=CHASE_SECONDS_MAX))

    def _hint(self, order: Order, attempt: Attempt, now: datetime) -> None:
        if attempt.state is AttemptState.UNKNOWN:
            announce(
                self.tasks,
                Happening.OUTCOME_UNKNOWN,
                attempt.client_order_id,
                priority=0,
                countdown_seconds=RESOLVE_FIRST_SECONDS,
            )
        if order.state is OrderState.CHASING and order.next_attempt_at is not None:
            wait = (order.next_attempt_at - now).total_seconds()
            announce(self.tasks, Happening.REMAINDER_LEFT, order.order_id, priority=2, countdown_seconds=wait)
        if order.executed_quantity > order.booked_quantity:
            announce(
                self.tasks,
                Happening.FILLS_MISSING,
                order.order_id,
                priority=3,
                countdown_seconds=COLLECT_FILLS_SECONDS,
            )
        if order.state.is_terminal and order.purpose is OrderPurpose.ENTRY:
            announce(self.tasks, Happening.SIGNAL_FINISHED, priority=0)


def follow(order: Order, what: OrderEvent, attempt: Attempt | None, now: datetime, delay: timedelta) -> Order:
    """The order after `what`, with times and reason."""
    state = next_order_state(order.state, what)
    if state is OrderState.CHASING:
        return replace(order, state=state, next_attempt_at=now + delay)
    code, reason = order.reason_code, order.reason
    if attempt is not None:
        code = attempt.error_code or f"ATTEMPT_{attempt.state.value}"
        reason = attempt.error_message or f"attempt {attempt.number}: {attempt.state.value}"
    return replace(order, state=state, reason_code=code, reason=reason, next_attempt_at=None, ended_at=now)


def finish_signal(uow: UnitOfWork, order: Order, now: datetime) -> None:
    """Let the signal of a terminal order end as the order did."""
    if order.signal_id is None or not order.state.is_terminal:
        return
    what, state = _SIGNAL_ENDINGS[order.state]
    code = f"ORDER_{order.state.value}"
    reason = f"executed={order.executed_quantity}, approved={order.quantity}; {order.reason_code}: {order.reason}"
    for signal_id in uow.signals.advance([order.signal_id], what, now=now, reason_code=code, reason=reason):
        uow.emit(announcements.signal_decided(signal_id, state, code, reason, now))


def _was_seen(uow: UnitOfWork, attempt: Attempt) -> bool:
    """Whether the exchange has shown this attempt before: by its number, or by a fill."""
    return attempt.exchange_order_id is not None or any(
        fill.client_order_id == attempt.client_order_id for fill in uow.ledger.fills_of(attempt.order_id)
    )


def _settled(attempt: Attempt, reply: SubmitReply | NotFound, now: datetime) -> Attempt:
    """The attempt after the exchange's answer."""
    if isinstance(reply, OrderReport):
        what = attempt_event(
            status=reply.status,
            executed_quantity=reply.executed_quantity,
            attempt_quantity=attempt.quantity,
            reduce_only=attempt.reduce_only,
        )
        attempt = replace(
            attempt,
            exchange_order_id=reply.exchange_order_id,
            executed_quantity=max(attempt.executed_quantity, reply.executed_quantity),
            average_price=reply.average_price,
            error_code=None,  # an earlier "unknown" is answered now; `unknown_since` remembers it
            error_message=None,
        )
    elif isinstance(reply, Rejected | RetryAfter):
        what = AttemptEvent.REJECTED
        attempt = replace(attempt, error_code=reply.code, error_message=reply.message)
    elif isinstance(reply, NotFound):
        what = AttemptEvent.NOT_FOUND_FOR_GOOD
        attempt = replace(attempt, error_code="NOT_ACCEPTED", error_message="the exchange can no longer accept it")
    else:
        what = AttemptEvent.AMBIGUOUS
        attempt = replace(attempt, error_code="UNKNOWN_OUTCOME", error_message=reply.reason)
        attempt = replace(attempt, not_found_count=0, not_found_at_ms=None)
    if attempt.state is AttemptState.UNKNOWN and what is AttemptEvent.REJECTED:
        # A refusal answers one request; the outcome that was lost is still to be asked for.
        what = AttemptEvent.AMBIGUOUS
    state = next_attempt_state(attempt.state, what)
    if state.is_open:
        return replace(attempt, state=state, unknown_since=attempt.unknown_since or now)
    return replace(attempt, state=state, ended_at=now)
