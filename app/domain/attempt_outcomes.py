"""What follows from the end of an attempt: for the attempt itself, and for the order it belongs to."""

from __future__ import annotations

from decimal import Decimal

from app.domain.money import ZERO
from app.domain.orders import FILLED_ENOUGH_SHARE, AttemptEvent, AttemptState, OrderEvent, OrderPurpose
from app.domain.sizing import REMAINDER_ATTEMPTS_MAX

ATTEMPTS_MAX = 1 + REMAINDER_ATTEMPTS_MAX


class OverfilledError(Exception):
    """More was executed than was approved: the promise itself is broken, nothing may go on as if it were not."""


# Statuses after which nothing of an order rests or may still match. Any other word, one that the exchange invents
# tomorrow included, leaves the outcome open: it is asked for again until a word of this list comes.
FINAL_STATUSES = frozenset({"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"})


def is_final_report(
    *, status: str, executed_quantity: Decimal, asked_quantity: Decimal, reduce_only: bool = False
) -> bool:
    """Whether the exchange has said its last word on an order.

    FILLED with less executed than was asked for contradicts itself, so it is no last word; only a reduce-only order
    may end so, because the exchange cuts it down to the position.
    """
    if status == "FILLED" and executed_quantity < asked_quantity:
        return reduce_only
    return status in FINAL_STATUSES


def attempt_event(
    *, status: str, executed_quantity: Decimal, attempt_quantity: Decimal, reduce_only: bool = False
) -> AttemptEvent:
    """What a report of the exchange means for its attempt; judged by what was executed before the status' name.

    A report that is not final (the exchange still works on it, or it says something unheard of) leaves it open.
    """
    if executed_quantity > attempt_quantity:
        raise OverfilledError(f"executed={executed_quantity}, asked={attempt_quantity}")
    if executed_quantity == attempt_quantity:
        return AttemptEvent.FILLED
    if not is_final_report(
        status=status, executed_quantity=executed_quantity, asked_quantity=attempt_quantity, reduce_only=reduce_only
    ):
        return AttemptEvent.AMBIGUOUS
    return AttemptEvent.PARTLY_FILLED if executed_quantity > ZERO else AttemptEvent.EXPIRED


def order_event(
    *,
    purpose: OrderPurpose,
    quantity: Decimal,
    executed_quantity: Decimal,
    attempts_made: int,
    attempt_state: AttemptState,
    is_transient: bool,
) -> OrderEvent | None:
    """What the end of its newest attempt means for an order; None while the attempt is open.

    `is_transient` says that a REJECTED attempt was refused for a reason that passes (see the exchange's error table).
    An exit is never chased here: who asked for it looks at the position again and asks for the rest.
    """
    if executed_quantity > quantity:
        raise OverfilledError(f"executed={executed_quantity}, approved={quantity}")
    if attempt_state.is_open:
        return None
    if executed_quantity >= quantity * FILLED_ENOUGH_SHARE:
        return OrderEvent.FILLED_ENOUGH
    is_refused_for_good = attempt_state is AttemptState.REJECTED and not is_transient
    if purpose is OrderPurpose.ENTRY and attempts_made < ATTEMPTS_MAX and not is_refused_for_good:
        return OrderEvent.REMAINDER_LEFT
    if executed_quantity > ZERO:
        return OrderEvent.CHASE_ENDED
    return _ENDINGS_WITHOUT_A_FILL.get(attempt_state, OrderEvent.NOTHING_FILLED)


_ENDINGS_WITHOUT_A_FILL = {
    AttemptState.REJECTED: OrderEvent.REJECTED,
    AttemptState.NOT_SENT: OrderEvent.NOT_SENT,
}
