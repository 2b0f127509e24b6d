"""Begins an attempt: the row that must be durable before anything is sent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from app.domain.orders import Attempt, AttemptState, Order, OrderType, TimeInForce, client_order_id

# Short, so that a frozen worker's request dies at the exchange; long enough for a slow network.
RECV_WINDOW_MS = 2_500


def entry_attempt(
    order: Order, *, number: int, quantity: Decimal, limit_price: Decimal, signed_at_ms: int, now: datetime
) -> Attempt:
    """A LIMIT IOC within the collar: what is not filled at once rests nowhere, so a retry cannot double it."""
    return Attempt(
        client_order_id=client_order_id(order.order_id, number),
        order_id=order.order_id,
        number=number,
        symbol=order.symbol,
        side=order.side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=quantity,
        price=limit_price,
        reduce_only=False,
        signed_at_ms=signed_at_ms,
        recv_window_ms=RECV_WINDOW_MS,
        state=AttemptState.SENDING,
        begun_at=now,
    )


def exit_attempt(order: Order, *, signed_at_ms: int, now: datetime) -> Attempt:
    """A reduce-only MARKET order: it can close a position, never open or flip one."""
    return Attempt(
        client_order_id=client_order_id(order.order_id, 1),
        order_id=order.order_id,
        number=1,
        symbol=order.symbol,
        side=order.side,
        order_type=OrderType.MARKET,
        time_in_force=None,
        quantity=order.quantity,
        price=None,
        reduce_only=True,
        signed_at_ms=signed_at_ms,
        recv_window_ms=RECV_WINDOW_MS,
        state=AttemptState.SENDING,
        begun_at=now,
    )
